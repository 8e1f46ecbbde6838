"""Short phrases that fill slots: reasons, events, roles, venues. Many are put together from parts, to be copied."""

import random

from . import names

VERBS = [
    "Build",
    "Bake",
    "Fix",
    "Grow",
    "Learn",
    "Make",
    "Meet",
    "Move",
    "Plan",
    "Read",
    "Ride",
    "Run",
    "Save",
    "Share",
    "Ship",
    "Sing",
    "Start",
    "Taste",
    "Think",
    "Try",
    "Walk",
    "Write",
    "Cook",
    "Love",
    "Shop",
    "Give",
    "Join",
]
_MATERIAL = [
    "oak",
    "steel",
    "linen",
    "wool",
    "glass",
    "brass",
    "pine",
    "leather",
    "cotton",
    "copper",
    "walnut",
    "stone",
    "clay",
    "bamboo",
    "felt",
    "slate",
    "cork",
    "ash",
    "birch",
    "iron",
]
_QUALITY = [
    "blue",
    "small",
    "large",
    "round",
    "folding",
    "painted",
    "handmade",
    "organic",
    "spare",
    "fresh",
    "second-hand",
    "grey",
    "striped",
    "custom",
    "printed",
    "double",
    "narrow",
    "heavy",
    "light",
    "repaired",
    "new",
    "tall",
    "short",
    "white",
    "black",
    "green",
    "wooden",
    "fire-proof",
    "low-noise",
]

_RAW = {
    "role": """site manager; pastry chef; data analyst; nurse; bookkeeper; driver; electrician; front-end developer;
office assistant; project manager; carpenter; translator; sales manager; gardener; receptionist; mechanic; welder;
teacher; designer; store manager; head of finance; support engineer; dental assistant; roofer; barista; librarian;
warehouse clerk; editor; lab technician; tour guide; team leader; quality inspector; apprentice; purchasing manager;
head of operations; conservation officer; night porter; forklift driver; physiotherapist; network engineer""",
    "reason": """customs; a strike; a storm; illness in the team; a broken machine; flooding; a power cut; roof repairs;
higher energy costs; a missing part; a shortage of glass; the rising price of steel; road works; a software fault;
a burst pipe; a late supplier; stocktaking; renovation work; a failed safety test; a network failure; the public holiday;
heavy snow; a full disk; a wrong setting; an expired certificate; the new tax; a shortage of drivers; a staff training;
frost damage; a fire alarm; rising milk prices; a delayed ferry; a lost container; a family matter; a double booking;
a faulty switch; higher rents; a sick colleague; a data centre fault; the annual inspection; a failed update""",
    "early": """two weeks early; on time; a day early; three days ahead of schedule; a week before the deadline;
under budget; exactly on schedule; in one weekend; in just 9 days; within 6 weeks; a month early; without a single fault;
in only 4 months; five days early; despite the rain; in the middle of winter; on the first try; after two years of work;
in the school holidays; overnight; in half the time""",
    "skill": """bread baking; screen printing; bike repair; first aid; fire safety; basket weaving; time management;
spreadsheets; public speaking; wood carving; food hygiene; data protection; coffee tasting; pruning roses; book binding;
beekeeping; photography; negotiation; pottery; sewing; safe lifting; project planning; forklift safety; email security;
sourdough; knife skills; soldering; watercolour; customer care; cheese making; phone etiquette; mushroom growing;
accounting basics; conflict resolution; knitting; stone walling""",
    "pain": """waiting times; paperwork; energy use; stock errors; late deliveries; food waste; machine downtime;
printing costs; missed appointments; phone calls; returns; overtime; water use; travel costs; packing time; complaints;
data entry; fuel costs; heating bills; queue times; spelling errors; staff turnover; unpaid invoices""",
    "waste": """plastic waste; packaging; water use; emissions; paper use; energy use; landfill; fuel use; scrap;
food waste; power use; transport miles""",
    "material": """recycled paper; local wool; reused timber; solar power; rainwater; glass bottles; hemp; cork; bamboo;
returnable crates; electric vans; recycled steel; corn starch; old sails; paper tape; beech wood; wind power; straw;
refillable tins; second-hand pallets; reclaimed brick; organic cotton""",
    "feature": """dark mode; offline maps; a search box; invoice reminders; shared calendars; voice notes; faster sync;
larger buttons; a print view; two-factor login; export to PDF; keyboard shortcuts; a weekly summary; photo upload;
bar code scanning; a quiet mode; colour labels; automatic backups; route planning; a guest account; split payments;
a stock counter; live subtitles; a packing list; text messages; a price alert; drag and drop; a shift planner""",
    "service": """boiler checks; window cleaning; gift wrapping; home delivery; key cutting; bike repair; tax advice;
same-day repair; garden design; shoe repair; tyre storage; pet sitting; wedding catering; roof inspection; phone repair;
book binding; carpet cleaning; drain cleaning; piano tuning; eye tests; winter storage; chimney sweeping; data recovery;
knife sharpening; house clearing; translation; passport photos; lawn care; curtain making; airport transfer""",
    "tip": """check your smoke alarm on the first of the month; write the list before you go shopping; back up your
photos every Friday; bleed the radiators before winter; read the contract twice; ask for the price in writing;
water your plants in the evening; oil the chain after rain; keep the receipt for three years; turn off the tap at night;
change your password after the holidays; let the dough rest overnight; test the alarm with your children; clean the filter
every two months; take a break after 50 minutes; write down the meter reading; book the check-up before June; store tea
in a dark tin; call before you dig; weigh your suitcase at home; label every cable; sharpen your knives twice a year;
rinse the brushes with cold water; measure the door before you order; photograph the damage at once; send the draft
a day early; air the room for ten minutes; freeze bread in slices; ask three people for feedback""",
    "deed": """the quick repair; staying late; the kind words; your help with the move; the great workshop;
solving the puzzle with the orders; 20 years of service; a perfect handover; the excellent translation; keeping calm;
the tour of the plant; your patience; the beautiful drawings; training the new staff; the quick reply; finding the fault;
covering the night shift; organising the summer party; the careful audit; saving the data; your feedback on the draft;
the generous gift; the weekend on call; fixing the boiler; the detailed report; cooking for everyone; a clean workshop;
standing in at short notice; the warm welcome; planning the route""",
    "topic": """the budget; the new contract; the roof; the website; staff holidays; the spring campaign; the audit;
delivery times; the office move; the price list; parking; the test results; the summer party; packaging; the training plan;
energy costs; the exhibition; the survey; the opening hours; the new logo; data protection; the insurance; stock levels;
the quarterly figures; the kitchen; the trade fair; safety shoes; the software licence; the timetable; the catalogue""",
    "step": """testing; the first delivery; painting; staff training; the site visit; the final check; printing;
moving the data; the design review; installing the pump; the sea trial; wiring; the customer demo; ordering the parts;
laying the floor; the safety inspection; writing the manual; the pilot run; translation; the roof; the photo shoot;
hiring a foreman; the soil test; the launch page; the second coat; the interviews; the legal check""",
    "problem": """a broken lid; a missing part; the wrong colour; scratches on the door; two torn boxes; a cracked screen;
wet packaging; a loose handle; the wrong size; a dented panel; a late arrival; missing screws; a leaking bottle;
a noisy fan; an expired label; a bent frame; stained fabric; the wrong address; one chair too few; a dead battery;
a missing invoice; mould on the cheese; a faulty plug; a wrong price""",
    "remedy": """a full refund; a free replacement; a 10 percent discount; a new delivery; a repair at no cost;
a gift card; a replacement by Friday; a visit from our technician; free shipping; half the price back; a new part;
store credit; a free service; a replacement within 5 days; a discount on the next order; a call from the manager""",
    "document": """the signed contract; your tax number; the floor plan; a copy of your passport; the delivery note;
the safety report; your bank details; the guest list; the test protocol; the final logo; two references; the timesheets;
the insurance papers; the price list; the travel receipts; the photos of the damage; the signed form; the stock list;
the meter reading; the building permit; a current certificate; your address; the packing list; last year's accounts""",
    "system": """the booking system; the web shop; the mail server; the phone system; the customer portal; the payroll system;
the till system; the file server; the wiki; the ticket system; the payment page; the intranet; the stock database;
the printers; the map service; the login page; the staff app; the door system; the lift; the heating""",
    "fee": """free; £5; £12; $8; $15; €10; €4; free for children; free for members; £3 on the door; €25; $40; £7.50;
free of charge; €6 a person; £18 with lunch""",
}
LISTS: dict[str, list[str]] = {
    key: [" ".join(item.split()) for item in value.split(";")] for key, value in _RAW.items()
}
_EVENT = [
    "open day",
    " repair cafe",
    " tasting",
    " workshop",
    " night market",
    " charity run",
    " book evening",
    " concert",
    " job fair",
    " webinar",
    "\ngarden party",
    " design talk",
    " family day",
    " tour",
    " quiz night",
    " breakfast",
    " exhibition",
    " auction",
    " cooking evening",
    " launch party",
    "\nbake sale",
    " film night",
    " seminar",
    " flea market",
    " test drive",
    " conference",
    " lunch",
    " hackathon",
    " science fair",
    " craft fair",
]
_VENUE = [
    "Hall",
    "House",
    "Centre",
    "Library",
    "Market",
    "Square",
    "Street",
    "Road",
    "Lane",
    "Park",
    "Mill",
    "Station",
    "Museum",
    "Theatre",
    "Yard",
    "Barn",
    "Arcade",
    "Pier",
]
_AWARD = ["Award", "Prize", "Medal", "Star", "Trophy", "Cup", "Seal"]
_AWARD_FOR = [
    "Design",
    "Craft",
    "Service",
    "Safety",
    "Innovation",
    "Food",
    "Business",
    "Quality",
    "Training",
    "Green",
    "Export",
    "Start-up",
    "Family",
    "Retail",
]
_CHARITY = "Trust Fund Foundation Hospice Shelter Food Bank;Children's Home;Youth Club;Rescue;Library".replace(
    " ", ";", 4
)
LISTS |= {"event": [], "venue": [], "award": [], "charity": []}


def adjective(rng: random.Random) -> str:
    """A word before the plural noun of a trade, or nothing."""
    return "" if rng.random() < 0.4 else rng.choice(_MATERIAL if rng.random() < 0.4 else _QUALITY) + " "


def with_article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def draw(rng: random.Random, key: str) -> str:
    """One phrase of the list `key`; some lists have endless members made from parts."""
    if key == "event":
        return _event(rng)
    if key == "venue":
        number = f"{rng.randint(1, 240)} " if rng.random() < 0.45 else rng.choice(["the ", ""])
        return f"{number}{names.word(rng)} {rng.choice(_VENUE)}"
    if key == "award":
        return f"the {rng.choice([names.place(rng), names.word(rng)])} {rng.choice(_AWARD_FOR)} {rng.choice(_AWARD)}"
    if key == "charity":
        return f"the {names.word(rng)} {rng.choice(_CHARITY.split(';'))}"
    if key == "reason" and rng.random() < 0.4:
        return rng.choice(["a fault in ", "a shortage of ", "the rising price of ", "a late delivery of "]) + (
            adjective(rng)
            + rng.choice(["parts", "paper", "boxes", "flour", "cable", "tiles", "pumps", "fuel", "bottles"])
        )
    return rng.choice(LISTS[key])


def _event(rng: random.Random) -> str:
    kind = rng.choice(_EVENT).strip()
    roll = rng.random()
    if roll < 0.4:
        return f"the {names.word(rng)} {kind}"
    if roll < 0.6:
        return f"the {rng.choice(_QUALITY)} {kind}"
    return with_article(kind) if roll < 0.85 else f"the {kind.title()}"
