"""What has to happen before any test module is imported."""

import contextlib

# These extension modules need a place in the static TLS block of the process; once torch and other libraries have
# filled it, their import fails. Being first is the remedy.
import kglite  # noqa: F401

with contextlib.suppress(ImportError):
    import sklearn.metrics  # noqa: F401
