"""What has to happen before any test module is imported."""

import contextlib

# scikit-learn brings an OpenMP runtime that needs a place in the static TLS block of the process; once torch and
# other libraries have filled it, the import fails. Being first is the remedy that glibc leaves.
with contextlib.suppress(ImportError):
    import sklearn.metrics  # noqa: F401
