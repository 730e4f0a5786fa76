"""The daemon program, and the only place that wires rooms together.

``assembly`` builds it, ``daemon`` holds the loop, ``handlers`` answer the control socket, one verb a file.
Never holds user code.
"""
