"""bakeoff: which local language model should I run, on this machine, for my content?"""

__version__ = "0.1.0"
