"""One data pipeline and one loop that train every model."""
