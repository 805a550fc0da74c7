"""The operation registry and every operation: the platform's verbs."""
