"""What a model is admitted on next, by what it took."""

from bakeoff.serve.breaker import Breaker, BreakerRules
from bakeoff.serve.held import Held, ModelRules


def test_what_outgrew_its_estimate_keeps_the_margin_however_far_it_grows():
    rules = ModelRules("a", {"host": 60})
    held = Held(rules, Breaker(BreakerRules(), lambda: 0.5), {"host": 60}, "loading")
    held.held = held.admitted = held.need
    held.learn_peak({"host": 50}, 0.5)
    assert held.need == {"host": 60}
    for peak in (80, 100, 110):  # looked at while it grows; 110 is within the margin of 80
        held.learn_peak({"host": peak}, 0.5)
        assert held.need == {"host": 1.5 * peak}
        assert held.held == {"host": peak}
    held.learn_peak({"host": 90, "cuda:0": 10}, 0.5)
    assert held.need == {"host": 165, "cuda:0": 15}
