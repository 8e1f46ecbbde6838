"""Business e-mail: prompts and answers with subject, greeting, one clear ask, sign-off and sender."""

from . import facts as fact_kinds
from . import names
from .posts import length_limit
from .social import join
from .templates import Writer, capitalise, load

_ASK = [
    "Write an email from {from} to {to}.",
    "Email from {from} to {to}.",
    "Write a business email from {from} to {to}.",
    "{from} writes to {to}.",
    "I need an email to {to}. It is sent by {from}.",
    "Please draft an email to {to}, signed by {from}.",
    "Write a [short|polite|friendly|clear] email to {to}. The sender is {from}.",
    "Draft an email from {from} to {to}.",
    "An email to {to} from {from}, please.",
    "Can you write an email for {from}? It goes to {to}.",
    "Compose an email: {from} to {to}.",
    "Write to {to} on behalf of {from}.",
    "Help {from} write an email to {to}.",
    "A mail from {from}, addressed to {to}.",
]
_FROM = [
    "{sender}",
    "{sender}",
    "{sender} of {co}",
    "{sender}, {role} at {co},",
    "{sender} ({co})",
    "{sender} from {co}",
]
_TO = [
    "{recipient}",
    "{recipient}",
    "{recipient} at {client}",
    "{recipient} of {client}",
    "{recipient} ({client})",
    "{recipient} from {client}",
]
_ASK_MORE = [
    "{from} needs an email to {to}.",
    "Email to {to}. Sender: {from}.",
    "Create an email from {from} to {to}.",
    "Prepare an email for {to}. It comes from {from}.",
    "Write an email to {to} for {from}.",
    "From {from} to {to}: an email.",
    "Please write to {to}. The email is signed {from}.",
    "Business email, {from} to {to}.",
    "Write a short business email to {to} from {from}.",
    "{from} has to email {to}.",
    "A polite email from {from} to {to}.",
    "Reply to {to} in the name of {from}.",
    "Write the email that {from} sends to {to}.",
]
_FROM_MORE = ["{sender}, {co}", "{sender} at {co}", "{sender} ({role})", "{sender} of {co} in {place}", "{sender}"]
_TO_MORE = [
    "{recipient}, {client}",
    "our customer {recipient}",
    "the client {recipient}",
    "our supplier {recipient}",
    "{recipient}, who works for {client}",
    "{recipient}",
    "her colleague {recipient}",
    "his manager {recipient}",
]
_ACT_MORE = {
    "clause": ["Tell [him|her|them] that {clause}.", "State that {clause}.", "Also, {clause}.", "Note that {clause}."],
    "whether": ["Ask: is it true that {clause2}?", "[He|She] should say whether {clause2}.", "Also ask if {clause2}."],
    "sorry": ["Apologise for the trouble.", "Start with an apology.", "Be sorry."],
    "confirm": ["[He|She] has to confirm it.", "Get a confirmation.", "Ask for a short answer to confirm."],
    "answer_by": [
        "[He|She] should answer by {date5}.",
        "Reply wanted before {date5}.",
        "Set {date5} as the deadline for a reply.",
    ],
    "offer_call": ["A call on {day5} is possible.", "Offer [him|her] a phone call {day5}."],
    "call": ["Offer to talk on {day5}, {time5}.", "There could be a call on {day5} at {time5}."],
}
_GROUP = [
    "the team",
    "all staff",
    "all customers",
    "the suppliers",
    "the tenants",
    "the whole department",
    "our members",
]
CLOSE = {
    "plain": ["Kind regards,", "Best regards,"],
    "friendly": ["Best wishes,", "Many thanks,"],
    "formal": ["Yours sincerely,", "Kind regards,"],
}
TONE = {
    "plain": ["", "", "", "Keep it short.", "Polite and clear.", "Businesslike tone.", "Neutral tone."],
    "friendly": ["Friendly tone.", "Keep it friendly.", "Warm tone.", "They know each other well."],
    "formal": ["Formal tone.", "Keep it formal.", "Very polite.", "Formal style, please."],
}
_ACTS: dict[str, tuple[list[str], list[str]]] = {
    "sorry": (
        ["Apologise.", "Say sorry.", "Include an apology.", "Apologise for it."],
        ["I apologise for the trouble.", "I am sorry about this."],
    ),
    "call": (
        [
            "Offer a call on {day5} at {time5}.",
            "Suggest a phone call on {day5}, {time5}.",
            "Propose to talk on {day5} at {time5}.",
            "[He|She] can call on {day5} at {time5}.",
        ],
        [
            "I would be glad to talk about it on the phone on {day5} at {time5}.",
            "If you like, we can talk on {day5} at {time5}.",
        ],
    ),
    "offer_call": (
        [
            "Offer a call on {day5}.",
            "Offer to phone on {day5}.",
            "Propose a call on {day5}.",
            "Suggest a call on {day5}.",
        ],
        ["I would be glad to call you on {day5}.", "If it helps, we can talk on {day5}."],
    ),
    "answer_by": (
        [
            "Ask for an answer by {date5}.",
            "We need a reply by {date5}.",
            "Request a reply no later than {date5}.",
            "The answer is needed by {date5}.",
        ],
        ["Please let me have your answer by {date5}.", "Could you reply by {date5}?"],
    ),
    "confirm": (
        [
            "Ask [him|her|them] to confirm.",
            "Ask for a confirmation.",
            "[He|She] should confirm.",
            "Request a short confirmation.",
        ],
        ["Please confirm this with a short reply.", "Could you confirm this, please?"],
    ),
    "patience": (
        [
            "Thank [him|her|them] for the patience.",
            "Say thanks for waiting.",
            "Thank [him|her] for [his|her] patience.",
            "End with thanks for the patience.",
        ],
        ["Thank you for your patience."],
    ),
    "clause": (
        [
            "Mention that {clause}.",
            "Say that {clause}.",
            "Add that {clause}.",
            "It should say that {clause}.",
            "{clause_cap}.",
            "Point out that {clause}.",
            "Please note in it that {clause}.",
        ],
        ["{clause_cap}.", "Please note that {clause}."],
    ),
    "whether": (
        [
            "Ask whether {clause2}.",
            "Ask if {clause2}.",
            "We also want to know whether {clause2}.",
            "Find out if {clause2}.",
        ],
        ["Could you tell me whether {clause2}?", "I would also like to know whether {clause2}."],
    ),
    "file": (
        [
            "The file {file} is attached.",
            "Attach {file}.",
            "Point to the attachment, {file}.",
            "There is an attachment: {file}.",
        ],
        ["Please find {file} attached.", "I have attached {file}."],
    ),
    "send": (
        [
            "Ask [him|her|them] to send {document5}.",
            "Request {document5} as well.",
            "We also need {document5}.",
            "[He|She] should also send {document5}.",
        ],
        ["Please send me {document5}.", "Could you also send {document5}?"],
    ),
    "contact": (
        [
            "{person5} can answer questions, phone {phone5}.",
            "For questions name {person5}, {phone5}.",
            "The contact is {person5} on {phone5}.",
            "Questions go to {person5}, phone {phone5}.",
        ],
        [
            "If you have questions, please call {person5} on {phone5}.",
            "{person5} will answer your questions on {phone5}.",
        ],
    ),
}
_LIMIT = [
    "Under {n} words.",
    "At most {n} words.",
    "No more than {n} words.",
    "Keep it under {n} words.",
    "Stay below {n} words.",
]
_LIST = [
    "Mention {all}.",
    "Include {all}.",
    "It must contain {all}.",
    "Please name {all}.",
    "Be sure to mention {all}.",
    "Do not forget {all}.",
]
_SKIP = frozenset({"sender", "recipient", "co", "client", "a_role", "product_noun", "first"})


def people(writer: Writer, tone: str) -> tuple[str, str, str, str]:
    """(prompt opening, greeting, signature, who the recipient is in the prompt)."""
    facts = writer.facts
    if writer.chance(0.25):
        facts["sender"] = names.first_name(writer.rng)
    if writer.chance(0.25):
        facts["recipient"] = names.first_name(writer.rng)
    elif writer.chance(0.1):
        title = writer.rng.choice(["Mr", "Ms", "Mrs", "Dr"])
        facts["recipient"] = f"{title} {names.surname(writer.rng)}"
    opening, sender, to = (
        writer.pattern(_ASK, _ASK_MORE),
        writer.pattern(_FROM, _FROM_MORE),
        writer.pattern(_TO, _TO_MORE),
    )
    group = writer.chance(0.1)
    if group:
        to = facts["recipient"] = writer.rng.choice(_GROUP)
    opening = opening.replace("{from}", sender).replace("{to}", to).replace(",.", ".").replace(", to", " to")
    opening = (
        opening.replace(",?", "?").replace(", writes", " writes").replace(",,", ",").replace(", write ", " write ")
    )
    text = capitalise(opening.format_map(facts))
    writer.given |= {"sender", "recipient"} | ({"co"} if "{co}" in opening else set())
    first = (
        facts["recipient"]
        if facts["recipient"].split()[0] in {"Mr", "Ms", "Mrs", "Dr"}
        else facts["recipient"].split()[0]
    )
    if group:
        greeting = "Dear all," if tone == "formal" else "Hello everyone,"
    elif tone == "formal" or first != facts["recipient"].split()[0]:
        greeting = f"Dear {facts['recipient']},"
    else:
        greeting = f"{'Hi' if tone == 'friendly' else writer.rng.choice(['Dear', 'Hello'])} {first},"
    return text, greeting, facts["sender"], to


def _acts(writer: Writer, most: int) -> tuple[list[str], list[str]]:
    """Up to `most` requests that the prompt makes, and the sentences that fulfil them."""
    told, said = [], []
    rng = writer.rng
    writer.facts["day5"] = rng.choice(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", fact_kinds.date(rng)])
    weights = [1, 1, 1, 1, 1, 0.6, 3, 1.5, 1, 1, 1]
    kinds = list(_ACTS)
    chosen: list[str] = []
    for _ in range(rng.randint(0, most)):
        kind = rng.choices(kinds, weights)[0]
        if kind in chosen or {kind, *chosen} >= {"call", "offer_call"}:
            continue
        chosen.append(kind)
        if kind in {"clause", "whether"}:
            slot = "clause" if kind == "clause" else "clause2"
            if slot in writer.facts:
                continue
            writer.compose(slot)
        prompts, answers = _ACTS[kind]
        told.append(capitalise(writer.pattern(prompts, _ACT_MORE.get(kind)).format_map(writer.facts)))
        writer.given.add(
            {
                "clause": "clause",
                "whether": "clause2",
                "file": "file",
                "send": "document5",
                "answer_by": "date5",
                "contact": "person5",
            }.get(kind, "recipient")
        )
        template = writer.expand(rng.choice(answers))
        said.append(capitalise(template.format_map(writer.facts)))
        writer.used |= {"clause", "clause2", "file", "document5", "date5", "person5", "day5"}
    return told, said


def email(writer: Writer) -> tuple[str, str]:
    """A business e-mail: (prompt, answer)."""
    tone = writer.rng.choice(["plain", "plain", "friendly", "formal"])
    opening, greeting, signature, _ = people(writer, tone)
    blocks = load("email")
    key = "free" if writer.chance(0.12) else writer.rng.choice(list(blocks))
    block = blocks[key]
    told = writer.tell(writer.pattern(block["tell"], load("email_more")[key]["tell"]))
    subject, body = writer.answer(block["subject"]).rstrip("."), writer.answer(block["body"])
    writer.used -= {"place"}
    acts, said = _acts(writer, 3)
    rest = writer.leftovers("post", _SKIP)
    ask = writer.answer(block["ask"])
    paragraphs = [" ".join([body, *rest])]
    if said:
        paragraphs.append(" ".join(said))
    if not any(s.endswith("?") or s.startswith("Please") for s in said) or writer.chance(0.3):
        paragraphs.append(ask)
    company = [writer.facts["co"]] if "co" in writer.given else []
    lines = [f"Subject: {subject}", "", greeting, "", "\n\n".join(paragraphs), "", writer.rng.choice(CLOSE[tone])]
    answer = "\n".join([*lines, signature, *company])
    constraints = [writer.rng.choice(TONE[tone])]
    if writer.chance(0.25):
        constraints.append(length_limit(writer, answer, _LIMIT))
    if writer.chance(0.15):
        values = [
            writer.facts[s]
            for s in sorted(writer.given - {"product_noun", "a_role", "clause", "clause2", "recipient", "did", "plan"})
        ]
        constraints.append(writer.pattern(_LIST).replace("{all}", join(writer.rng.sample(values, min(len(values), 2)))))
    writer.rng.shuffle(constraints)
    if writer.chance(0.1):
        opening, told = told, opening
    return " ".join(p for p in [opening, told, *acts, *constraints] if p), answer
