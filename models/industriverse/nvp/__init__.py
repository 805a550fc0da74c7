"""NVP, Next Vector Prediction: forecasts with intervals."""
