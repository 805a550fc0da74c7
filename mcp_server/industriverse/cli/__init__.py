"""The industriverse command."""
