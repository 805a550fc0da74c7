"""AI Shield v2: incidents, explanation, planning and response."""
