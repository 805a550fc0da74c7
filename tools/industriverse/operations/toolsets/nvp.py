"""The nvp toolset: where a stream goes next, with intervals."""

