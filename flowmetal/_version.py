"""The version of Flowmetal: the only place that says it."""

__version__ = "0.1.0"
