"""Shadow ensemble: several forecasters, some of which may lie, and one answer or none."""
