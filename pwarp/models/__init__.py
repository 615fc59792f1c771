"""The networks: backbones and one file a paper, each a frozen config and a module."""
