"""A server of objects that refuses, dies and comes back."""

import secrets
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas.servers import Weed
from industriverse.atlas import AtlasError, AtlasUnreachableError
from industriverse.atlas.s3 import S3ObjectStore, S3Settings

SIZE = 96_000_000


@pytest.mark.parametrize("wrong", ["secret_key", "access_key"])
def test_wrong_credentials_are_refused_at_once(weed: Weed, wrong: str) -> None:
    settings = weed.settings()
    keys = {"access_key": settings.access_key, "secret_key": settings.secret_key, wrong: "wrong"}
    store = S3ObjectStore(replace(settings, access_key=keys["access_key"], secret_key=keys["secret_key"]))
    for attempt in (lambda: store.put_bytes(b"x"), lambda: store.get_bytes("ab" * 32)):
        with pytest.raises(AtlasError, match="access is denied; check the credentials"):
            attempt()
    with pytest.raises(AtlasError, match="access is denied"):
        list(store.objects())


def test_secrets_do_not_show_and_plain_text_stays_on_this_machine() -> None:
    settings = S3Settings(bucket="b", access_key="a", secret_key="hush")
    assert "hush" not in repr(settings)
    with pytest.raises(AtlasError, match=r"unencrypted to example\.org"):
        S3Settings(bucket="b", endpoint="http://example.org")
    with pytest.raises(AtlasError, match="go together"):
        S3Settings(bucket="b", access_key="a")
    environment = {"INDUSTRIVERSE_S3_BUCKET": "b", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    assert S3Settings.from_environment(environment) == S3Settings(
        bucket="b",
        access_key="a",
        secret_key="s",
    )
    assert S3Settings.from_environment({}) is None


def test_a_server_that_dies_in_an_upload_and_comes_back_holds_the_whole_object(
    tmp_path: Path, mortal_weed: Weed
) -> None:
    weed = mortal_weed
    store = S3ObjectStore(weed.settings(prefix=secrets.token_hex(4), retry_s=60))
    small = [store.put_bytes(bytes([number])) for number in range(20)]
    content = np.random.default_rng(2).bytes(SIZE)
    (tmp_path / "large").write_bytes(content)
    keys: list[str] = []
    errors: list[AtlasError] = []

    def upload() -> None:
        # Parts that the dead server had not kept make the library give up; the caller tries again.
        for _ in range(3):
            try:
                keys.append(store.put_file(tmp_path / "large"))
                return
            except AtlasError as error:
                errors.append(error)

    thread = threading.Thread(target=upload)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "the upload was over before the server could die in it"
    weed.server.kill()
    with pytest.raises(AtlasUnreachableError, match="check the address and that the server runs"):
        S3ObjectStore(weed.settings(retry_s=1)).get_bytes(small[0])
    weed.server.start()
    thread.join(120)
    assert len(keys) == 1, errors
    assert store.intact(keys[0])
    assert store.get_range(keys[0], SIZE - 10, 10) == content[-10:]
    assert [store.get_bytes(key) for key in small] == [bytes([number]) for number in range(20)]
    assert {one.key for one in store.objects()} == {*small, keys[0]}
