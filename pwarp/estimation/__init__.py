"""Frame-wise pose estimators behind one contract: crops in, heatmaps out."""
