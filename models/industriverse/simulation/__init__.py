"""TSE, the Thermodynamic Simulation Engine: plants that answer to commands. Always labelled a simulation."""
