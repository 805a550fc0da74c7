"""Questions in plain language, answered by one read-only tool call, with or without a language model."""
