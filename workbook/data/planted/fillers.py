"""Everything that surrounds a fact: introductions, remarks and boilerplate, by kind.

They say nothing that a question asks for. Patterns and words were written by hand; a table of
finished sentences is expanded from them once, frequent words before rare ones, and a passage picks
from it. {x} is the subject of a sentence; {kind} a word for the kind.

Taught in 09.
"""

import re
from functools import cache

import numpy as np

from workbook.data.planted.draws import TABLE, draws

SIZE = 1 << 12  # sentences in a table
SLOTS = 1 << 6  # sentence i is made from pattern i modulo 64, so that a passage can avoid to repeat one

# kind -> word class -> words, the frequent ones first
WORDS: dict[str, dict[str, str]] = {
    "plant": {
        "intro": "a slender {kind} with narrow leaves; a hardy {kind} with tough roots; a low {kind} that forms dense mats; an upright {kind} with a woody base; a creeping {kind} with hairy stems; a climbing {kind} with glossy leaves; a rare {kind} with toothed leaves; an aromatic {kind} known to every herb garden; a bushy {kind} with thorny twigs; a modest {kind} that most walkers overlook; a stocky {kind} with a thick root; an annual {kind} with feathery leaves; a fleshy {kind} with round pads; a spreading {kind} with grey down; an evergreen {kind} with leathery leaves",
        "thing": "leaves; roots; seeds; stems; buds; petals; shoots; fruits; husks; pods; thorns; tubers; bulbs; anthers; spores; berries; rootstocks; tendrils; sepals; cuttings; seedlings; fronds; catkins; stalks",
        "quality": "a bitter smell; a waxy surface; a sweet scent; a rough texture; fine hairs; dark spots; a milky juice; sharp edges; a peppery taste; red veins; a silky gloss; a corky skin; a faint odour of almonds; pale stripes; sticky glands",
        "agent": "gardeners; botanists; beekeepers; shepherds; farmers; foresters; florists; seed merchants; pharmacists; hikers; monks; plant breeders; ecologists; nursery owners; wardens; teachers; herbalists",
        "verb": "prune; collect; protect; photograph; water; propagate; study; label; avoid; transplant; admire; sow; dry; press; graft; mulch; weed out; paint",
        "trouble": "late frost; slugs; root rot; drought; mildew; greenfly; strong winds; heavy clay; deer; too much lime; leaf miners; summer hail; rabbits; rust fungus; waterlogged ground; shade",
        "where": "in botanical gardens; in stone troughs; behind greenhouses; in window boxes; in herb collections; on balconies; in school gardens; in the courtyards of monasteries; in flower shops; on market stalls; in seed catalogues; in hospital gardens",
        "venue": "in the botanical garden; at flower shows; in the village hall; at seed fairs; in the old greenhouse; in the monastery; at the garden centre; at the herbarium",
    },
    "medicine": {
        "intro": "a {kind} sold as small white tablets; a widely used {kind} from a family of synthetic compounds; an older {kind} that is still prescribed; a {kind} in the form of bitter drops; an inexpensive {kind} that every hospital knows; a modern {kind} with a long history of trials; an injectable {kind} for use in clinics; a herbal {kind} in capsules; a {kind} that is dissolved in water; an oily {kind} that is taken with a spoon; a slow acting {kind} with few rivals; a {kind} related to a well known dye",
        "thing": "tablets; doses; labels; trials; capsules; refills; prescriptions; leaflets; blood tests; syringes; interactions; warnings; ingredients; placebos; vials; dosing charts; studies; antibodies; enzymes; coatings; ampoules; drops",
        "quality": "a chalky coating; an embossed letter; a short half life; a narrow safety margin; a rapid onset; a plain box; few interactions; a long shelf life; a green stripe; an unpleasant smell; a complex structure; a low price; a childproof cap",
        "agent": "doctors; nurses; pharmacists; patients; researchers; regulators; hospitals; midwives; chemists; insurers; dentists; carers; toxicologists; statisticians; surgeons; students of medicine; health ministries",
        "verb": "monitor; recommend; compare; question; measure; prescribe; discuss; test; review; avoid; combine; reduce; study; adjust; withdraw; stop; trust; tolerate",
        "trouble": "counterfeit packs; shortages; wrong labels; missed tablets; overdoses; rising prices; misprints; confusing names; recalls; bad press; torn boxes; smugglers; broken ampoules; false promises; lawsuits; careless reading of the leaflet",
        "where": "in hospitals; in family practices; in nursing homes; on intensive care wards; in veterinary clinics; in university clinics; at the chemist's; in field hospitals; on board ships; in travel kits; in rural surgeries; in emergency rooms",
        "venue": "at the university hospital; at a medical congress; in the lecture hall; in the nursing home; at the ministry of health; in the waiting room; at the chemist's; on the ward",
    },
    "machine": {
        "intro": "a sturdy {kind} with a cast iron frame; a compact {kind} on four wheels; a noisy {kind} with a long lever; an automatic {kind} for small workshops; a {kind} with two rotating drums; an old fashioned {kind} with brass fittings; a simple {kind} that one person can operate; a precise {kind} with a glass cover; an industrial {kind} with an endless belt; a narrow {kind} in a wooden case; a tall {kind} with three pistons; an experimental {kind} with rubber rollers",
        "thing": "gears; bearings; valves; belts; screws; levers; pistons; blades; rollers; springs; gaskets; switches; chains; bolts; nozzles; pulleys; hoses; spindles; gauges; brackets; axles; fuses; clutches; hinges",
        "quality": "a loud rattle; a smooth action; a heavy base; a double safety catch; a steady rhythm; a low centre of gravity; an oily film; a worn handle; a green enamel finish; a tight fit; a patented joint; a removable cover; a wide tolerance",
        "agent": "engineers; mechanics; operators; apprentices; inspectors; fitters; museum visitors; factory owners; collectors; salesmen; safety officers; welders; draughtsmen; farm hands; restorers; toolmakers; electricians",
        "verb": "oil; repair; adjust; inspect; replace; clean; assemble; calibrate; tighten; dismantle; test; lubricate; balance; exhibit; overhaul; modify; align; paint",
        "trouble": "rust; overheating; dust; vibration; worn bearings; loose screws; cheap spare parts; damp air; power cuts; metal fatigue; careless handling; clogged filters; leaking seals; frost; missing manuals; short circuits",
        "where": "in small workshops; in technical museums; on farms; in shipyards; in vocational schools; in mills; on building sites; in laundries; at trade fairs; in warehouses; in printing houses; at the back of garages",
        "venue": "in the technical museum; at trade fairs; in the workshop; on a farm; in the vocational school; at vintage rallies; in the town hall; in the factory canteen",
    },
    "town": {
        "intro": "a quiet {kind} in the hills; a busy {kind} with a compact centre; a {kind} of narrow lanes and small squares; a lively {kind} at a crossing of trade routes; a {kind} with a long harbour wall; an industrial {kind} surrounded by forests; a {kind} between two lakes; a sunny {kind} at the foot of a castle; a remote {kind} near the border; a growing {kind} with two railway stations; an isolated {kind} with a single main road; a {kind} of red brick houses",
        "thing": "houses; streets; squares; schools; churches; markets; bridges; parks; fountains; walls; museums; gates; towers; inns; libraries; stations; cemeteries; warehouses; courtyards; arcades; mills; chapels; barracks; promenades",
        "quality": "steep roofs; a cool breeze; narrow alleys; a lively market; a good library; heavy traffic; clean air; a proud past; colourful shutters; crowded cafés; a wide view; silent evenings; a mild climate",
        "agent": "tourists; residents; pensioners; students; shopkeepers; commuters; historians; painters; bakers; teachers; town planners; taxi drivers; pilgrims; fishermen; cyclists; newcomers; councillors",
        "verb": "visit; restore; praise; leave; remember; paint; describe; defend; rebuild; photograph; discuss; sketch; rename; love; decorate; avoid; enlarge; map",
        "trouble": "floods; empty shops; fires; noise; high rents; landslides; traffic jams; unemployment; a shortage of doctors; pigeons; closed factories; winter fog; old water pipes; potholes; earthquakes; broken street lamps",
        "where": "behind the town hall; around the market square; near the station; along the old wall; in the lower quarter; beside the cathedral; on the southern slope; by the harbour; in the suburbs; under the arcades; at the edge of the park; outside the gates",
        "venue": "in the town hall; around the market square; in the library; at the inn; in the parish hall; beside the cathedral; in the park; under the arcades",
    },
    "company": {
        "intro": "a family owned {kind} with a good reputation; a listed {kind} with branches on three continents; a discreet {kind} that few people know; an old {kind} with a coat of arms on its letterhead; a fast growing {kind} with young managers; a {kind} owned by its workers; a traditional {kind} that survived two wars; an exporting {kind} with its own ships; a cautious {kind} without debts; a privately held {kind} that publishes little; an ambitious {kind} with many patents; a {kind} known for its radio commercials",
        "thing": "shares; contracts; patents; factories; shops; debts; dividends; suppliers; warehouses; brands; invoices; loans; accounts; machines; pensions; exports; trademarks; lorries; catalogues; prices; subsidiaries; audits; tenders; bonuses",
        "quality": "a careful strategy; low costs; a loyal clientele; a modern logo; high margins; flat hierarchies; a full order book; strict controls; a large archive; generous holidays; a bad winter; quick deliveries; a rival abroad",
        "agent": "analysts; shareholders; managers; trade unions; bankers; competitors; customers; auditors; journalists; suppliers; lawyers; accountants; investors; apprentices; economists; consultants; regulators",
        "verb": "trust; advise; praise; buy; sell; criticize; audit; insure; finance; reorganize; value; join; supply; recommend; rescue; follow; leave; tax",
        "trouble": "rising prices; strikes; a weak currency; new tariffs; cheap imports; fraud; late deliveries; lawsuits; falling demand; bankruptcies; patent disputes; a shortage of lorry drivers; energy costs; takeovers; spoiled goods; bad weather",
        "where": "on the stock exchange; at annual meetings; in the boardroom; in business papers; at trade fairs; in foreign markets; in the canteen; on the shop floor; in court; along the supply chain; in industrial estates; in mail order catalogues",
        "venue": "in the boardroom; at the stock exchange; at trade fairs; in the canteen; on the shop floor; in a hotel lobby; at the chamber of commerce; on the golf course",
    },
    "software": {
        "intro": "a free {kind} with a plain interface; a command line {kind} for experts; a portable {kind} without dependencies; an ageing {kind} that still has many fans; a {kind} with a large community; an elegant {kind} with few options; a {kind} that runs in the browser; an extensible {kind} with many plugins; a commercial {kind} with a trial version; a fast {kind} with an unusual design; a {kind} with text menus; an educational {kind} with good documentation",
        "thing": "files; menus; plugins; settings; bugs; servers; passwords; windows; updates; tests; manuals; databases; scripts; icons; branches; backups; error messages; tables; shortcuts; threads; packages; caches; forums; templates",
        "quality": "a plain interface; clear error messages; a steep learning curve; a dark theme; a small footprint; short start up times; a stable format; odd shortcuts; a long list of options; a tidy design; frequent updates; a helpful forum; an unusual icon",
        "agent": "programmers; users; administrators; translators; testers; students; reviewers; maintainers; librarians; office workers; scientists; hackers; designers; data analysts; volunteers; trainers; bloggers",
        "verb": "install; configure; update; debug; document; extend; uninstall; copy; benchmark; translate; patch; automate; test; recommend; share; secure; archive; port",
        "trouble": "broken updates; slow disks; lost passwords; old drivers; memory leaks; unreadable files; spam; missing fonts; network failures; viruses; wrong time zones; corrupted caches; incompatible versions; crashes; race conditions; poor translations",
        "where": "on old laptops; in universities; on remote servers; in small offices; in public libraries; on phones; at conferences; in mailing lists; in the cloud; behind firewalls; in classrooms; on discussion boards",
        "venue": "at the university; at conferences; in the public library; on discussion boards; in video calls; at user groups; in the community centre; in a small office",
    },
    "festival": {
        "intro": "a cheerful {kind} with open stages; a religious {kind} that turned into a fair; a noisy {kind} with drums and masks; an annual {kind} for the whole family; a {kind} of music and street theatre; an old {kind} revived by students; a village {kind} with a brass band; an international {kind} with famous guests; a quiet {kind} by candlelight; an exuberant {kind} with costumes; a rural {kind} with decorated carts; a {kind} organized by volunteers",
        "thing": "stages; costumes; masks; drums; lanterns; tents; stalls; programmes; posters; carts; songs; dances; speeches; banners; benches; torches; loudspeakers; toilets; fences; prizes; choirs; acrobats; garlands; cameras",
        "quality": "a warm welcome; long queues; a muddy field; loud music; a family atmosphere; cheap beer; fine costumes; a strict dress code; good organization; crowded trains; sleepless neighbours; a splendid finale; home made cakes",
        "agent": "musicians; volunteers; dancers; neighbours; families; stallholders; organizers; sponsors; actors; stewards; parents; campers; choir singers; jugglers; critics; firefighters; photographers",
        "verb": "organize; enjoy; visit; film; miss; announce; applaud; support; cancel; postpone; attend; sponsor; open; review; join; photograph; recommend; avoid",
        "trouble": "thunderstorms; mud; rising costs; noise complaints; lost children; pickpockets; broken generators; a lack of toilets; forged wristbands; heat; wasps; parking problems; late trains; warm beer; fire hazards; cold nights",
        "where": "on the main stage; in the beer tent; along the route; on the camping ground; behind the scenes; in front of the church; at the gates; on the grass; under the chestnut trees; beside the food stalls; in the old barn; in the main tent",
        "venue": "in the beer tent; in the parish hall; behind the scenes; in the old barn; under the chestnut trees; beside the food stalls; at the inn; in the town hall",
    },
    "dish": {
        "intro": "a hearty {kind} for cold evenings; a simple {kind} of country people; a spicy {kind} with a thick sauce; an elaborate {kind} for holidays; a light {kind} for hot days; a sweet {kind} that children love; an inexpensive {kind} for many guests; a sour {kind} with a long tradition; an oven baked {kind} with a brown crust; a {kind} that fills the whole house with its smell; an aromatic {kind} with fresh herbs; a filling {kind} that tastes better on the second day",
        "thing": "spices; herbs; pots; spoons; bowls; knives; plates; ovens; pans; leftovers; crumbs; ladles; lids; crusts; sieves; napkins; jars; graters; whisks; aprons; rolling pins; tins; skewers; tablecloths",
        "quality": "a thick crust; a smoky smell; a creamy texture; a sharp taste; a golden colour; a delicate sauce; a soft centre; a hint of cinnamon; a sour note; plenty of fat; a crisp surface; a strong aroma; a peppery finish",
        "agent": "cooks; grandmothers; innkeepers; bakers; restaurant critics; housewives; butchers; waiters; caterers; students; food writers; chefs; soldiers; fishermen; dieticians; market women; guests",
        "verb": "taste; order; salt; serve; season; reheat; praise; cook; garnish; freeze; recommend; share; improve; stir; burn; photograph; criticize; divide",
        "trouble": "too much salt; burnt bottoms; lumps; stale flour; a cold oven; overcooking; thin sauce; curdled milk; soggy crusts; rancid butter; impatience; blunt knives; a small pot; weak spices; allergies; lazy stirring",
        "where": "in country inns; at weddings; in school kitchens; on market stalls; in fine restaurants; at family tables; in army camps; on feast days; in cookery books; at street corners; in monasteries; on fishing boats",
        "venue": "at the country inn; in the school kitchen; at cookery courses; on the market square; in the village hall; on a fishing boat; in the monastery; at a family table",
    },
}

# Remarks about the subject: they begin with it, or hold it. {a} is "a plant" and so on.
ABOUT = """\
{x} has {quality}, which {agent} notice first.
{x} has {quality}, and {agent} like that.
{x} suffers from {trouble} more than from anything else.
{x} is easy to recognize by {quality}.
{x} is popular with {agent} and with {agent2}.
{x} needs protection against {trouble}.
{x} has more {thing} than one would expect.
Many {agent} {verb} {x} without knowing its name.
Few {agent} would {verb} {x} twice.
Some {agent} {verb} {x} every year, others never do.
According to {agent}, {x} has {quality}.
Compared with others of its sort, {x} has {quality}.
The {thing} of {x} have been described many times.
{x} has survived {trouble} and {trouble2}.
It takes patience to {verb} {x}.
Nobody should {verb} {x} before asking {agent}.
Among {agent}, {x} has a mixed reputation because of {trouble}.
There are {agent} who {verb} {x} for a living.
In the opinion of many {agent}, {x} deserves more attention.
The best time to {verb} {x} is when {agent} are away.
Since {agent} began to {verb} {x}, complaints about {trouble} have become rare.
Descriptions of {x} mention {quality}.
{x} owes its place in this series to {agent}.
A guide for {agent} devotes a chapter to {x}.
What {agent} value in {x} is {quality}.
Though {agent} complain about {trouble}, {x} has kept its place.
In spite of {trouble}, {agent} continue to {verb} {x}.
A film about {x} was shown to {number} {agent}.
On rainy days, {agent} talk about {x} and about {trouble}.
{x} would be nothing without its {thing}, and {agent} know it.
Those who have come across {x} remember {quality}.
Two things set {x} apart: {quality} and {quality2}.
Schools use {x} to explain what {trouble} can do.
A prize was once offered to {agent} for a picture of {x}.
Hardly anything about {x} has changed, apart from its {thing}.
{x} has been spared {trouble} so far.
Whenever there is talk of {trouble}, {agent} keep an eye on {x}.
Visitors from abroad often ask {agent} about {x}.
{x} divides opinion: some praise it for {quality}, others fear {trouble}.
Little is known about the first {thing} of {x}.
The reputation of {x} suffered when {agent} reported {trouble}.
For {agent}, {x} is an old acquaintance.
Old letters show that {agent} knew {x} well.
In private, {agent} admit that they prefer {x} to anything else.
There is no better cure for boredom than to {verb} {x}, {agent} joke.
The {thing} of {x} differ from year to year.
Without its {thing}, {x} would hardly be noticed by {agent}.
A society of {number} {agent} looks after {x}.
{x} can do without {thing}, but not without {agent}.
Beginners like {x} because of {quality}.
To {verb} {x} is harder than it seems, as {agent} find out.
An exhibition on {x} displays {number} {thing}.
{x} has given its name to a club of {agent}.
Anyone who has to {verb} {x} learns to live with {trouble}.
The fate of {x} is in the hands of {agent}.
Over the years, {x} has acquired {quality}.
Although {x} is no rarity, {agent} still collect its {thing}.
Rumours about {trouble} have done no harm to {x}.
""".splitlines()
# The same, for what can be met with at a place, and for what is a place or an occasion itself.
MET_WITH = """\
{x} is often seen {where}.
{x} appears {where}, and sometimes {where2}.
{x} is mentioned {where} more often than one would think.
Once a year, {agent} meet {venue} to talk about {x}.
{x} is a familiar name {where}.
A talk on {x} was given {venue}, to {number} {agent}.
""".splitlines()
ATTENDED = """\
The {thing} of {x} can be found {where}.
At {x}, {agent} usually meet {where}.
The best view of {x} is to be had {where}.
When {agent} think of {x}, they think of an hour {where}.
{Agent} who come to {x} for the first time get lost {where}.
New {thing} have been put up for {x} {where}.
""".splitlines()
PLACES = ("town", "festival")
NOUN = {"software": "program"}  # where the name of a kind takes no article

# Remarks about the kind at large: no subject.
AROUND = """\
Most {agent} agree that {trouble} can do more harm than {trouble2}.
The {thing} and the {thing2} deserve particular care.
Damage from {trouble} can be avoided if {agent} act early.
Experienced {agent} know when to {verb} {a} and when to leave it alone.
{Agent} report {quality} as well as {quality2}.
The question of {trouble} divides {agent} and {agent2}.
Good {thing} are hard to find {where}.
Much has been written about {thing}, little about {thing2}.
Between {agent} and {agent2} there is an old quarrel about {trouble}.
A short course teaches {agent} how to {verb} {a} without harm to the {thing}.
Older books recommend {thing}, newer ones {thing2}.
Questions about {thing} have become more frequent in ten years.
Against {trouble}, many {agent} rely on {thing}.
Only {agent} with long experience can tell {quality} from {quality2}.
Every spring, {agent} meet {venue} to compare their {thing}.
The usual mistake is to {verb} {a} before the {thing} are ready.
Those who {verb} {a} should look out for {trouble}.
It is not the {thing} that matter most, {agent} say, but {quality}.
Because of {trouble}, many {agent} have given up.
One in {number} {agent} has had to deal with {trouble}.
In a survey of {number} {agent}, most named {trouble} as their main worry.
More than {number} {agent} signed a letter about {trouble}.
A collection of {number} {thing} was shown {venue}.
Local rules forbid {agent} to {verb} {a} without a permit.
The {thing} should be checked at least once a year.
Without {agent}, there would be no {thing} and no {thing2}.
Nothing pleases {agent} like {quality}.
This is why {agent} prefer {quality} to {quality2}.
Despite all warnings, {agent} still {verb} {a} whenever they can.
What counts, {agent} say, is {quality}.
Whatever {agent} may say, {trouble} and {trouble2} will not go away.
The oldest {thing} are the ones that {agent} speak of most often.
Where {trouble} can be expected, the {thing} come first and everything else has to wait.
Long conversations {venue} begin with {thing} and end with {trouble}.
Under good conditions, the {thing} last for decades.
Newcomers underestimate {trouble} and overestimate {trouble2}.
A handbook of {number} pages tells {agent} all they need to know about {thing}.
Nobody knows why {agent} have become so fond of {thing}.
Not all {thing} are worth the trouble, as {agent} will confirm.
Last year brought {trouble}, this year brings {trouble2}.
Committees of {agent} meet {venue} and discuss {trouble}.
The word of {agent} counts for more than that of {agent2}.
An old proverb mentions {trouble} and {trouble2} in one breath.
Too many {thing} are as bad as too few.
Insurance covers {trouble}, but not {trouble2}.
Among the causes of {trouble}, {agent} mention haste and plain bad luck.
As a rule, {agent} replace the {thing} before they think of the {thing2}.
With a little luck, {agent} find {thing} {where}.
Statistics on {trouble} are kept by {agent}, but seldom published.
Both {agent} and {agent2} claim to have thought of it first.
Those who grow up among {agent} know all about {thing} and have no fear of {trouble}.
In earlier days, {agent} had neither {thing} nor {thing2}.
The law protects {agent} from {trouble}, at least on paper.
Television programmes have made {thing} fashionable again.
Once a month, {agent} meet {venue} and talk about {thing}.
Cheap {thing} lead to {trouble}, as {number} letters to the editor prove.
The search for better {thing} has kept {agent} busy for generations.
Older {agent} like {quality}; the young would rather have {quality2}.
Whether {trouble} can be prevented is a matter for {agent}.
New studies by {agent} cast doubt on the value of {thing}.
The smallest {thing} are often the most expensive.
A small exhibition {venue} explains how {agent} used to fight {trouble}.
Half of all {thing} have to be replaced because of {trouble}.
Good advice on {trouble} is given free of charge {venue}.
""".splitlines()

BOILERPLATE = """\
Last updated in {month}.
This page was last changed in {month}.
Read more in our guide for {agent}.
Photograph by courtesy of the archive.
Share this page with other {agent}.
See also the list of {thing}.
All details without guarantee.
Corrections are welcome and will be considered in {month}.
This entry belongs to a series for {agent}.
Reprinted with permission from the {month} issue.
Sign up for our newsletter for {agent}.
The editors thank several {agent} for their help.
Copying for private use is permitted.
Page {number} of the printed edition.
Comments on this entry were closed in {month}.
""".splitlines()

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _words(kind: str, name: str) -> list[str]:
    return WORDS[kind][name].split("; ")


def _pick(words: list[str], bits: int) -> str:
    """A word of a list, the first ones more often: the square of a number between 0 and 1 is mostly small."""
    return words[(bits & 0xFFFF) ** 2 * len(words) >> 32]


def expand(kind: str, patterns: list[str], table: int, size: int) -> list[str]:
    """A table of finished sentences; "{x}" is left in, as "%s".

    Args:
        kind: whose words.
        patterns: sentences with holes.
        table: tables with different numbers have different sentences.
        size: how many sentences.
    """
    words = {name: _words(kind, name) for name in WORDS[kind] if name != "intro"}
    sentences: list[str] = []
    for bits in draws(table, TABLE, np.arange(size), len(words) + 1).tolist():
        filled = {
            "x": "%s",
            "a": f"a {NOUN.get(kind, kind)}",
            "number": str(11 + (bits[-1] >> 8) % (40 if bits[-1] & 1 else 790)),
        }
        filled["month"] = f"{MONTHS[(bits[-1] >> 20) % 12]} {2020 + (bits[-1] >> 32) % 7}"
        for (name, choices), b in zip(words.items(), bits, strict=False):
            first, second = _pick(choices, b), _pick(choices, b >> 16)
            if second == first:
                second = choices[(choices.index(first) + 1) % len(choices)]
            filled |= {name: first, name + "2": second, name.capitalize(): first[0].upper() + first[1:]}
        sentences.append(patterns[len(sentences) % SLOTS % len(patterns)].format_map(filled))
    return sentences


@cache
def about(kind: str) -> list[str]:
    """4,096 remarks about a subject, each with "%s" where its name goes."""
    return expand(kind, ABOUT + (ATTENDED if kind in PLACES else MET_WITH), 3 * list(WORDS).index(kind), SIZE)


@cache
def around(kind: str) -> list[str]:
    """4,096 remarks about a kind of things at large."""
    return expand(kind, AROUND, 3 * list(WORDS).index(kind) + 1, SIZE)


@cache
def boilerplate(kind: str) -> list[str]:
    """512 sentences that stand at the end of any page."""
    return expand(kind, BOILERPLATE, 3 * list(WORDS).index(kind) + 2, SIZE // 8)


def introductions(kind: str) -> list[str]:
    """What a thing of a kind is, "{kind}" left in."""
    return _words(kind, "intro")


def with_noun(introduction: str, noun: str) -> str:
    """An introduction with a word for the kind in it, and the article that the word wants."""
    return re.sub(r"\ba (?=[aeiou])", "an ", introduction.format(kind=noun))
