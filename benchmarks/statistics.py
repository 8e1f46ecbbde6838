"""How far the statistics can be trusted: coverage, false alarms, and the race against a fixed number of briefs.

    python benchmarks/statistics.py                                     all tables, about 8 minutes on 2 cores
    python benchmarks/statistics.py --rounds 50                         a quick look, too few for the third digit
    python benchmarks/statistics.py --out benchmarks/results/statistics.md

Everything is seeded. Real score tables are read from `$BAKEOFF_DATA/statistics` (default `../shared/data`), which is no part
of this repository; without them those tables are left out, and the page says so. They are: AlpacaEval 2 annotations of
tatsu-lab/alpaca_eval, human ratings of dig-team/hanna-benchmark-asg, GPT-4 grades of MT-bench from lm-sys/RouteLLM.
"""

if __name__ == "__main__":
    from statistics_evidence import main

    main(__doc__)
else:
    # A script's folder comes before the standard library, whose module of this name other scripts and libraries mean.
    import importlib.util
    import sys
    from importlib.machinery import PathFinder
    from pathlib import Path

    _here = Path(__file__).resolve().parent
    _spec = PathFinder.find_spec("statistics", [entry for entry in sys.path if Path(entry or ".").resolve() != _here])
    if _spec is None or _spec.loader is None:
        raise ImportError("the standard library has no module statistics")
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["statistics"] = _module
    _spec.loader.exec_module(_module)
