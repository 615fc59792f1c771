"""How far to trust labels: study, suggest, check."""
