from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from industriverse.eil.proof import (
    KeyFileError,
    SourceBlock,
    SourceChain,
    SourceChainError,
    SourceSigner,
    key_id,
    public_key_pem,
    verify_source_chain,
)
from proof.irreversible import frame_of, simulate

KEY = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
PEM = public_key_pem(KEY)
SAMPLES = simulate(100, seed=1)


def signed(count: int = 10, *, stream: str = "tank-1", key: Ed25519PrivateKey = KEY) -> list[SourceBlock]:
    signer = SourceSigner(stream, key)
    return [signer.sign(frame_of(SAMPLES[10 * i : 10 * i + 10], start_s=10 * i)) for i in range(count)]


def test_an_unbroken_chain_names_its_head() -> None:
    blocks = signed()
    head = verify_source_chain(blocks, PEM)
    assert (head.first_sequence, head.last_sequence) == (0, 9)
    assert (head.stream, head.device_key_id, head.head_sha256) == ("tank-1", key_id(KEY), blocks[-1].digest)


def test_a_device_that_restarts_goes_on_where_it_was() -> None:
    blocks = signed(5)
    after = SourceSigner("tank-1", KEY, after=blocks[-1])
    blocks.append(after.sign(frame_of(SAMPLES[50:60], start_s=50)))
    assert verify_source_chain(blocks, PEM).last_sequence == 5


def test_a_later_part_of_a_chain_verifies_against_the_digest_before_it() -> None:
    blocks = signed()
    assert verify_source_chain(blocks[4:], PEM, previous_sha256=blocks[3].digest).first_sequence == 4
    with pytest.raises(SourceChainError, match=r"block 0 .* does not follow"):
        verify_source_chain(blocks[4:], PEM, previous_sha256=blocks[2].digest)
    with pytest.raises(SourceChainError, match="no predecessor"):
        verify_source_chain(blocks[4:], PEM)
    with pytest.raises(SourceChainError, match="number 0 and a predecessor"):
        verify_source_chain(blocks, PEM, previous_sha256=blocks[3].digest)


@pytest.mark.parametrize("position", [0, 4, 9])
def test_the_first_changed_block_is_named(position: int) -> None:
    blocks = signed()
    values = blocks[position].frame.values.copy()
    values[3, 1] = np.nextafter(values[3, 1], np.inf)
    blocks[position] = replace(blocks[position], frame=frame_of(values, start_s=10 * position))
    with pytest.raises(SourceChainError, match="signature does not cover") as broken:
        verify_source_chain(blocks, PEM)
    assert broken.value.position == position


def test_omission_reordering_and_replay_of_blocks_are_named() -> None:
    blocks = signed()
    for forged, position in (
        ([*blocks[:4], *blocks[5:]], 4),
        ([*blocks[:3], blocks[4], blocks[3], *blocks[5:]], 3),
        ([*blocks[:6], blocks[2], *blocks[7:]], 6),
    ):
        with pytest.raises(SourceChainError, match="is due") as broken:
            verify_source_chain(forged, PEM)
        assert broken.value.position == position


def test_a_second_history_signed_by_the_same_device_does_not_fit_in() -> None:
    blocks = signed()
    signer = SourceSigner("tank-1", KEY)
    other = [signer.sign(frame_of(SAMPLES[:10] + i, start_s=10 * i)) for i in range(10)]
    with pytest.raises(SourceChainError, match="does not follow") as broken:
        verify_source_chain([*blocks[:7], *other[7:]], PEM)
    assert broken.value.position == 7


def test_other_devices_streams_and_nothing_at_all_are_refused() -> None:
    blocks = signed()
    stranger = Ed25519PrivateKey.from_private_bytes(b"\x06" * 32)
    with pytest.raises(SourceChainError, match=r"block 0 .* signature"):
        verify_source_chain(blocks, public_key_pem(stranger))
    with pytest.raises(SourceChainError, match=r"block 5 .* is of stream 'tank-2'"):
        verify_source_chain([*blocks[:5], *signed(stream="tank-2")[5:]], PEM)
    with pytest.raises(SourceChainError, match="there is none"):
        verify_source_chain([], PEM)
    with pytest.raises(KeyFileError):
        verify_source_chain(blocks, b"no key")
    with pytest.raises(SourceChainError, match="time order"):
        SourceSigner("tank-1", KEY, after=blocks[-1]).sign(frame_of(SAMPLES[:10]))
    with pytest.raises(SourceChainError, match="no samples"):
        SourceSigner("tank-1", KEY).sign(frame_of(SAMPLES[:0]))


def test_a_window_has_to_be_what_the_device_signed_sample_by_sample() -> None:
    blocks = signed()
    chain = SourceChain(blocks, PEM)
    window = frame_of(SAMPLES[25:60], start_s=25)
    assert chain.head_of(window).head_sha256 == blocks[-1].digest
    for forged, position in ((SAMPLES[26:61], 2), (np.vstack([SAMPLES[25:55], SAMPLES[:5]]), 5)):
        with pytest.raises(SourceChainError, match="not the window's") as broken:
            chain.head_of(frame_of(forged, start_s=25))
        assert broken.value.position == position
    with pytest.raises(SourceChainError, match="covers 30 of 35 samples"):
        SourceChain(blocks[:-1], PEM).head_of(frame_of(np.vstack([SAMPLES[60:90], SAMPLES[:5]]), start_s=60))
