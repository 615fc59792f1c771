"""Networks of others as ONNX files: what a file says about itself, and running it.

network = open_network(Path("net.onnx"))
output = network(pixels)  # (B, 3, H, W)
"""

from pwarp.onnx.header import CARD, Header, read_header, warp_file
from pwarp.onnx.network import Network, open_network

__all__ = ["CARD", "Header", "Network", "open_network", "read_header", "warp_file"]
