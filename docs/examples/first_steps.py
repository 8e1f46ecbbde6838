# %% [markdown]
# # bakeoff from Python
# The cells of a notebook: open this file in VS Code or PyCharm, turn it into one (`jupytext --to ipynb first_steps.py`), or run it
# as it is. It uses two of the bundled toy models, and takes well under a minute.

# %%
import os

import bakeoff

# Few briefs, so that this is quick. They show a large difference, such as the one between these two, and call it approximate; of
# models that are closer they decide nothing. Under 15 families of briefs nothing is claimed. Take 40 and more for your own question.
BRIEFS = int(os.environ.get("BRIEFS", "20"))

# %% [markdown]
# ## A suite: what is to be written
# A file of your own, or the built-in one. What is wrong in a file is told all at once, each with its line and field.

# %%
suite = bakeoff.load_suite("business")
print(f"{suite.name}: {len(suite.briefs)} briefs of the types {', '.join(suite.used_content_types())}")

try:
    bakeoff.load_suite("no-such-suite.yaml")
except bakeoff.UsageError as error:
    print(f"{error.message} (hint: {error.hint})")

# %% [markdown]
# ## A run: the models write, here
# Everything is stored as it happens, in `.bakeoff` or where BAKEOFF_HOME says. `bakeoff show` knows this run, too.

# %%
written: list[str] = []
run = bakeoff.run(
    suite,
    ["bundled:generalist", "bundled:baseline"],
    fixed_n=BRIEFS,
    on_text=lambda text: written.append(text.candidate),
)
print(f"{run!r}: {len(written)} texts")

# %% [markdown]
# ## What it decided, and how sure it is
# The records are frozen, and are what `bakeoff show --json` prints.

# %%
decision = run.decision
print(f"outcome: {decision.outcome}; run: {decision.choice}; leads: {decision.leader}")
for reason in decision.reasons:
    print(f"  {reason}")
for name in run.candidates:
    quality = run.quality(name)
    print(f"{name}: {quality.estimate:.2f} [{quality.low:.2f}, {quality.high:.2f}]")

# %% [markdown]
# ## Who serves which kind of content

# %%
for content_type, route in run.routes.items():
    print(f"{content_type}: {route.candidate} ({route.outcome})")

# %% [markdown]
# ## Is one not worse than the other?
# True only where that is shown; its text says what was measured and what would settle it. Undecided is not "not worse".

# %%
verdict = run.compare("baseline", "generalist").not_worse_by(0.3)
print(verdict.verdict)
print(verdict)

# %% [markdown]
# ## The texts themselves

# %%
first = next(run.texts("generalist"))
print(first.brief, run.scores()[first.trial].value)
print(first.text)

# %% [markdown]
# ## Scores from elsewhere
# The same statistics for anybody's numbers: rows here, or a file that `bakeoff analyse` reads.

# %%
rows = [
    bakeoff.ScoreRow(model, f"brief-{n}", score, "", None)
    for model, base in (("ann", 7.0), ("bob", 5.5))
    for n in range(30)
    for score in [base + (n * 7 % 5) / 4]
]
print(bakeoff.analyse(rows).decision.outcome)
