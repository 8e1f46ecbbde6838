"""How-to documents: title, purpose, prerequisites, numbered steps with fenced commands, a warning when asked."""

import random

from . import facts as fact_kinds
from . import names, technical
from .posts import length_limit
from .social import join
from .templates import Block, Writer, load

ASK = [
    "Write a short how-to: {goal}.",
    "Write a technical document about {goal}.",
    "Write a how-to guide: {goal}.",
    "Technical doc: {goal}.",
    "Document the following for our wiki: {goal}.",
    "Write a page for the manual: {goal}.",
    "I need a short guide: {goal}.",
    "Write step-by-step instructions: {goal}.",
    "Write documentation on {goal}.",
    "Please write a runbook: {goal}.",
    "Draft a help page: {goal}.",
    "A how-to for {audience}: {goal}.",
    "Write instructions for {audience}: {goal}.",
    "Create a technical guide: {goal}.",
]
AUDIENCE = [
    "new colleagues",
    "administrators",
    "the support team",
    "developers",
    "customers",
    "beginners",
    "the night shift",
    "system administrators",
    "our users",
    "the operations team",
]
_STEPS = [
    "Steps: {all}.",
    "The steps are: {all}.",
    "Steps: {all}.",
    "It takes these steps: {all}.",
    "Cover these steps: {all}.",
    "What to do: {all}.",
    "The procedure: {all}.",
    "Explain these steps: {all}.",
]
_RUN = [
    "{verb} with `{cmd}`",
    "{verb} (`{cmd}`)",
    "{verb}: `{cmd}`",
    "run `{cmd}` to {verb}",
    "{verb} by running `{cmd}`",
    "{verb} with `{cmd}`",
    "{verb} using `{cmd}`",
]
WARN = [
    "Warn that {w}.",
    "Add a warning that {w}.",
    "Include a warning: {w}.",
    "Warn readers that {w}.",
    "The warning: {w}.",
    "It must warn that {w}.",
    "Put in a warning that {w}.",
    "Make sure to warn that {w}.",
]
NEED = [
    "Readers need {all}.",
    "Prerequisites: {all}.",
    "You need {all}.",
    "Required: {all}.",
    "Before starting, one needs {all}.",
    "The prerequisites are {all}.",
    "List {all} as prerequisites.",
]
_CONTACT = [
    "If it fails, ask {person}.",
    "Questions go to {person}.",
    "The contact is {person}.",
    "Name {person} as contact.",
    "Problems should be reported to {person}.",
]
_LIMIT = [
    "Under {n} words.",
    "At most {n} words.",
    "No more than {n} words.",
    "Keep it under {n} words.",
    "Stay below {n} words.",
]
_NOTE = [
    "Mention that {clause}.",
    "Say that {clause}.",
    "Note that {clause}.",
    "Also say that {clause}.",
    "Add the note that {clause}.",
]

# verb phrase | command ("" for none); {x} are facts, {slug} the tool's command name, {flag} an option
_COMMANDS = {
    "install": """download the package | curl -O https://{host}.example/{file}
download the package |
update the package list | sudo apt update
install the package | sudo dpkg -i {slug}.deb
install the package | sudo apt install {slug}
install it | pip install {slug}
install it | brew install {slug}
install it | npm install -g {slug}
install it | cargo install {slug}
install it | winget install {slug}
pull the image | docker pull {host}/{slug}:{version5}
unpack the archive | tar -xzf {file}
unpack the archive | unzip {file} -d {path}
copy the program to `{path}` | cp {slug} {path}
check the version | {slug} --version
start it for the first time | {slug} init {flag}
check the installation | {slug} doctor
accept the licence |
restart the computer |""",
    "upgrade": """make a backup | {slug} backup --to {file}
stop the service | sudo systemctl stop {slug}
download version {version5} |
install the new version | sudo apt install {slug}={version5}
install the new version | pip install --upgrade {slug}
update the database | {slug} migrate {flag}
update the image | docker pull {host}/{slug}:{version5}
start the service | sudo systemctl start {slug}
check the version | {slug} --version
read the release notes |
run the checks | {slug} check {flag}
clear the cache | {slug} cache clear""",
    "backup": """stop the service | sudo systemctl stop {slug}
create the folder `{path}` | mkdir -p {path}
write the data to a file | {slug} export {flag} > {file}
create the backup | {slug} backup {path}/{file}
dump the database | pg_dump {slug} > {file}
pack the folder | tar -czf {file} {path}
copy the file to another machine | scp {file} {host}:{path}
copy the folder | rsync -av {path} {host}:{path5}
check the size of the file | ls -lh {file}
check the file | sha256sum {file}
start the service | sudo systemctl start {slug}
label the disk with the date |""",
    "restore": """stop the service | sudo systemctl stop {slug}
copy the file from the backup server | scp {host}:{path}/{file} .
unpack the archive | tar -xzf {file}
restore the data | {slug} restore {file}
load the file | {slug} import {file} {flag}
load the database | psql {slug} < {file}
check the number of rows | {slug} count {flag}
check that the file is complete | sha256sum {file}
start the service | sudo systemctl start {slug}
look at the log | tail -n {value} {path}/{slug}.log
tell the team that the data is back |""",
    "config": """open the file `{path}/{file}` | nano {path}/{file}
open the settings page |
set `{key}` to `{value}` | {slug} config set {key} {value}
set the variable `{key}` | export {key}={value}
create a new key | {slug} keys create {flag}
delete the old key | {slug} keys delete {key5}
save the file |
check the configuration | {slug} config check
reload the service | sudo systemctl reload {slug}
restart the service | sudo systemctl restart {slug}
show the current value | {slug} config get {key}
enter the code shown on the screen |
log in to {server5} | ssh {host}""",
    "service": """create the file `{path}/{slug}.service` | nano {path}/{slug}.service
reload the list of services | sudo systemctl daemon-reload
enable the service | sudo systemctl enable {slug}
start the service | sudo systemctl start {slug}
check the status | systemctl status {slug}
open the schedule | crontab -e
add the line for the job | 0 {hour} * * * {slug} run {flag}
run it once by hand | {slug} run {flag}
look at the log | journalctl -u {slug}
open port {port} | sudo ufw allow {port}
log out and log in again |""",
    "admin": """log in to {server5} | ssh admin@{host}
open the settings page |
find out which program uses the port | sudo lsof -i :{port}
end that program | kill {value}
start it on another port | {slug} serve --port {port}
create the account | {slug} user add {name}
set a new password | {slug} passwd {name}
give the right to write | {slug} grant {name} {flag}
show the last lines of the log | tail -n {number} {path}/{slug}.log
search the log for errors | grep -i error {path}/{slug}.log
remove the package | sudo apt remove {slug}
delete the folder `{path}` | rm -r {path}
restart the service | sudo systemctl restart {slug}
send the new password by letter |
check the list of users | {slug} user list""",
    "dev": """clone the repository | git clone https://{host}.example/{slug}.git
install the dependencies | npm ci
install the dependencies | pip install -r {file}
create the environment | python -m venv {path}
build the image | docker build -t {slug}:{version5} .
run the tests | pytest {flag}
run the tests | make test
run the checks | npm run {name}
tag the release | git tag v{version5}
push the branch | git push origin {name}
copy the files to the server | rsync -av {path} {host}:{path5}
start the containers | docker compose up {flag}
check the page in a browser |
open the page on port {port} | curl http://localhost:{port}/{name}""",
}
KINDS = {
    kind: [tuple(part.strip() for part in row.split("|")) for row in text.splitlines()]
    for kind, text in _COMMANDS.items()
}
_WARNINGS = """version {version} does not read old config files
the restore overwrites the folder `{path}`
the command deletes everything in `{path}`
{tool} is not available for {duration}
the password is shown only once
port {port} must not be open to the internet
the old key stops working after {duration}
the disk needs {number} GB of free space
this step cannot be undone
the file `{file}` contains personal data
the upgrade removes the option `{key}`
only {person} may do this
the service must not run during the backup
the process takes {duration} on slow machines
the plug-in {tool} does not work with version {version}
`{key}` must not be larger than {number}
all users are logged out
old backups are deleted after {duration}
the power must not be switched off
the test writes to the real database
the import skips rows without a date
a wrong value stops the mail server
version {version} needs {number} GB of memory
the key must never be sent by email
passwords are case sensitive
the file `{file}` is not part of the backup""".splitlines()
_NEEDS = """an admin account; Python 3.{n}; {number} GB of free disk space; access to {server}; a backup from {day}; {os}; {tool} {version};
a USB cable; sudo rights; the file `{file}`; a network connection; an API key; Docker {version}; the licence key; Git; Node {n};
an account on {server}; the phone number of {person}; a terminal; a current browser; the serial number; a spare disk""".replace(
    "\n", " "
).split("; ")
GENERIC_NEED = [
    "An account with admin rights",
    "A terminal",
    "Access to the machine",
    "A user account with the right to install software",
]


def _fill(template: str, writer: Writer, own: dict[str, str]) -> str:
    """Fill a technical template: facts of the writer, `own` values first."""

    class _Mapping(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return writer.facts[key]

    return template.format_map(_Mapping(own))


def _own(writer: Writer) -> dict[str, str]:
    """Values that belong to one command."""
    rng = writer.rng
    return {
        "slug": technical.slug(writer.facts["tool"]),
        "flag": technical.flag(rng),
        "host": technical.draw(rng, "server").replace("the staging server", "staging"),
        "name": rng.choice([names.first_name(rng).lower(), names.syllables(rng, 1, 2)]),
        "number": str(rng.randint(2, 500)),
        "n": str(rng.randint(8, 22)),
        "hour": str(rng.randint(0, 23)),
        "day": rng.choice(["Monday", "Sunday", "today", "last night"]),
    }


def steps_of(writer: Writer, kind: str) -> list[tuple[str, str]]:
    """Two to four steps (verb phrase, command) in their natural order."""
    rng: random.Random = writer.rng
    rows = KINDS[kind]
    chosen = sorted(rng.sample(range(len(rows)), rng.choice([2, 3, 3, 3, 4])))
    seen: set[str] = set()
    steps = []
    for index in chosen:
        verb, command = rows[index]
        if verb in seen:
            continue
        seen.add(verb)
        own = _own(writer)
        steps.append((_fill(verb, writer, own), _fill(command, writer, own).strip()))
        for volatile in ("file", "path", "key", "value"):
            if writer.chance(0.5):
                writer.facts.pop(volatile, None)
    return steps


def prompt_steps(writer: Writer, steps: list[tuple[str, str]]) -> str:
    """The steps as a prompt tells them: a list, a row of sentences, or "first ..., then ..."."""
    said = [
        writer.pattern(_RUN).replace("{verb}", verb).replace("{cmd}", command) if command else verb
        for verb, command in steps
    ]
    roll = writer.rng.random()
    if roll < 0.2:
        words = ["First ", ", then ", ", next ", ", after that "]
        return "".join(w + s for w, s in zip(words, said, strict=False)) + "."
    if roll < 0.35:
        return " ".join(f"{s[0].upper()}{s[1:]}." if s[0].isalpha() else f"{s}." for s in said)
    glue = writer.rng.choice([", ", "; ", ", "])
    return writer.pattern(_STEPS).replace(
        "{all}", join(said) if glue == ", " and writer.chance(0.5) else glue.join(said)
    )


def answer_steps(steps: list[tuple[str, str]]) -> str:
    """The steps as a numbered list with their commands in fenced blocks."""
    blocks = []
    for number, (verb, command) in enumerate(steps, 1):
        line = f"{number}. {verb[0].upper()}{verb[1:]}"
        blocks.append(f"{line}:\n\n   ```bash\n   {command}\n   ```" if command else f"{line}.")
    return "\n\n".join(blocks)


def document(writer: Writer) -> tuple[str, str]:
    """A how-to document: (prompt, answer)."""
    rng = writer.rng
    block: Block = rng.choice(list(load("docs").values()))
    title, purpose = rng.choice(block["title"]), rng.choice(block["purpose"])
    goal = writer.pattern(block["tell"]) if len(block["tell"]) > 3 else rng.choice(block["tell"])
    told_by_title = [title.format_map(writer.facts), purpose.format_map(writer.facts), goal.format_map(writer.facts)]
    ask = writer.pattern(ASK)
    audience = rng.choice(AUDIENCE)
    opening = ask.replace("{audience}", audience).replace("{goal}", told_by_title[2])
    steps = steps_of(writer, block["kind"][0])
    told, parts = [prompt_steps(writer, steps)], [f"# {told_by_title[0]}"]
    parts.append(told_by_title[1] + (f" It is written for {audience}." if "{audience}" in ask else ""))
    extra = [needs(writer), _warning(writer), contact(writer)]
    told += [said for said, _ in extra if said]
    parts.append(extra[0][1])
    parts += ["## Steps", answer_steps(steps), extra[1][1], extra[2][1]]
    answer = "\n\n".join(p for p in parts if p)
    if writer.chance(0.15):
        told.append(length_limit(writer, answer, _LIMIT))
    writer.given |= {"tool"} & set(writer.facts)
    return f"{opening} {' '.join(told)}", answer


def needs(writer: Writer) -> tuple[str, str]:
    """Prerequisites: what the prompt says and the section."""
    roll = writer.rng.random()
    if roll < 0.35:
        chosen = [
            _fill(t, writer, _own(writer) | {"tool": names.word(writer.rng)})
            for t in writer.rng.sample(_NEEDS, writer.rng.choice([1, 2, 2]))
        ]
        bullets = [f"- {c[0].upper()}{c[1:]}" for c in chosen]
        return writer.pattern(NEED).replace("{all}", join(chosen)), "## Prerequisites\n\n" + "\n".join(bullets)
    if roll < 0.85:
        said = writer.rng.choice(["", "", "", "Include prerequisites.", "With a section on prerequisites."])
        return said, f"## Prerequisites\n\n- {writer.rng.choice(GENERIC_NEED)}"
    return "", ""


def _warning(writer: Writer) -> tuple[str, str]:
    """A warning: what the prompt says and the line."""
    if writer.chance(0.45):
        return "", ""
    text = _fill(writer.rng.choice(_WARNINGS), writer, _own(writer) | {"duration": fact_kinds.duration(writer.rng)})
    line = text if text.startswith("`") else text[0].upper() + text[1:]
    return writer.pattern(WARN).replace("{w}", text), f"> **Warning:** {line}."


def contact(writer: Writer) -> tuple[str, str]:
    """A person to ask or a note: what the prompt says and the last line."""
    roll = writer.rng.random()
    if roll < 0.15:
        writer.given.add("person")
        said = writer.pattern(_CONTACT).format_map(writer.facts)
        return said, f"If something does not work, ask {writer.facts['person']}."
    if roll < 0.3:
        writer.compose("clause")
        return writer.pattern(_NOTE).format_map(writer.facts), f"Note: {writer.facts['clause']}."
    return "", ""
