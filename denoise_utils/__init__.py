"""Helpers shared by the denoising notebooks; modules read left to right:

profiles -> data -> noise -> models -> saving -> training -> search -> evaluation -> page -> report
(sources and pickles beside data, baselines beside models, plots beside evaluation, cli on top; shapes, allow_list,
graph and safe_open lead to saving, show follows it).
"""

__version__ = "1.0.0"
