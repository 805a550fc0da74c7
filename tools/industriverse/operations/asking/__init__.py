"""Questions in plain language, answered without a language model: retrieval, one read-only call, its fields."""
