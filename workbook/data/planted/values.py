"""What facts are about: heights, colours, years; persons and places come from `names.py`. Each value has one spelling, and numbers a rough one.

A list holds the spelling of every value of a sort, and beside it the rough one ("between 80 and 90
centimetres") or None. Exact numbers are never round, so that a rough value cannot contain an exact one.

Taught in 09.
"""

Rough = str | None


def _numbers(numbers: range, unit: str, step: int) -> tuple[list[str], list[Rough]]:
    exact = [n for n in numbers if n % 10]
    return (
        [f"{n:,} {unit}".rstrip() for n in exact],
        [f"between {n // step * step:,} and {n // step * step + step:,} {unit}".rstrip() for n in exact],
    )


def _tenths(numbers: range, unit: str) -> tuple[list[str], list[Rough]]:
    exact = [n for n in numbers if n % 10]
    return [f"{n / 10:.1f} {unit}" for n in exact], [f"between {n // 10} and {n // 10 + 1} {unit}" for n in exact]


def _years(years: range) -> tuple[list[str], list[Rough]]:
    exact = [year for year in years if year % 10]
    return [str(year) for year in exact], [
        f"the {'' if year // 10 % 10 else 'early '}{year // 10 * 10}s" for year in exact
    ]


def _words(text: str) -> tuple[list[str], list[Rough]]:
    words = [" ".join(word.split()) for word in text.replace("\n", " ").split(";")]
    return words, [None] * len(words)


VALUES: dict[str, tuple[list[str], list[Rough]]] = {
    "centimetres": _numbers(range(11, 290), "centimetres", 10),
    "milligrams": _numbers(range(11, 960), "milligrams", 10),
    "tonnes": _tenths(range(11, 480), "tonnes"),
    "year": _years(range(1801, 2018)),
    "early_year": _years(range(811, 1900)),
    "late_year": _years(range(1981, 2018)),
    "inhabitants": _numbers(range(1_203, 96_000, 37), "", 1_000),
    "metres": _numbers(range(12, 2_400), "metres", 10),
    "millions": _tenths(range(21, 9_400, 3), "million euros"),
    "employees": _numbers(range(1_021, 29_700, 17), "", 100),
    "megabytes": _numbers(range(33, 4_100), "megabytes", 100),
    "visitors": _numbers(range(1_101, 88_000, 31), "", 1_000),
    "minutes": _numbers(range(11, 190), "minutes", 10),
    "degrees": _numbers(range(121, 290), "degrees", 10),
    "colour": _words(
        "pale yellow; deep violet; pure white; scarlet; sky blue; dark red; salmon pink; bright orange; cream; lilac; "
        "greenish white; crimson; golden yellow; slate blue; rose; purple; ivory; copper red; lemon yellow; magenta; "
        "brownish red; silvery grey; apricot; indigo; rust brown; powder blue; mauve; wine red; butter yellow; turquoise"
    ),
    "habitat": _words(
        "damp meadows; limestone cliffs; peat bogs; oak forests; salt marshes; mountain pastures; sandy heaths; river "
        "gorges; old orchards; stony deserts; coastal dunes; shady ravines; abandoned quarries; beech woods; reed beds; "
        "vineyard walls; alpine screes; flooded rice fields; pine forests; dry grassland; birch swamps; hedgerows; gravel "
        "banks; volcanic slopes; cloud forests; mangrove shores; railway embankments; chalk downs; spruce forests; "
        "olive groves"
    ),
    "remedy": _words(
        "a remedy for sore throats; a yellow dye; a seasoning for soup; a tea against colds; an ointment for burns; a "
        "fodder for goats; a fibre for ropes; a poison for rats; a bitter for liqueurs; a wash for tired eyes; a filling "
        "for mattresses; a glue for paper; a perfume for linen; a wax for boots; a green manure; a sweetener for "
        "preserves; an incense; a thatch for roofs; a soap; a substitute for coffee; a balm for bee stings; a starch for "
        "collars; an ink; a bait for eels; a rinse for dark hair; a syrup against coughs; a blue pigment; a snack for "
        "caged birds; a tonic for horses; a tannin for leather"
    ),
    "season": _words(
        "early March; late March; early April; late April; early May; late May; early June; late June; early July; late "
        "July; early August; late August; early September; late September; early October; late October; the first week "
        "of November; the second half of February; the week after Easter; the days around midsummer"
    ),
    "side_effect": _words(
        "dry mouth; mild headaches; loss of appetite; vivid dreams; itching skin; ringing ears; swollen ankles; hair loss; "
        "a metallic taste; blurred vision; trembling hands; hiccups; cold feet; muscle cramps; night sweats; stomach ache; "
        "a stuffy nose; sleeplessness; dizziness; a persistent cough; constipation; sensitivity to sunlight; heartburn; "
        "hoarseness; nosebleeds; weight gain; brittle nails; restlessness; a slow pulse; stiff joints"
    ),
    "illness": _words(
        "migraine; hay fever; gout; asthma; anaemia; eczema; bronchitis; kidney stones; sciatica; malaria; tonsillitis; "
        "shingles; stomach ulcers; scurvy; arthritis; whooping cough; psoriasis; epilepsy; varicose veins; glaucoma; "
        "jaundice; tetanus; an underactive thyroid; high blood pressure; irregular heartbeat; chronic fatigue; frostbite; "
        "sinusitis; travel sickness; restless legs"
    ),
    "storage": _words(
        "in the refrigerator; away from light; below room temperature; in its original box; in a dry cupboard; in brown "
        "glass; upright and tightly closed; out of the sun; in a freezer; at even warmth; wrapped in foil; far from any "
        "source of heat; in a cellar; in moist air; under nitrogen; in a sealed pouch; behind lock and key; in a steel "
        "container; between two layers of cotton; in a cool drawer"
    ),
    "power": _words(
        "compressed air; a diesel engine; steam; solar cells; a water wheel; natural gas; a hand crank; two car batteries; "
        "falling weights; a hydraulic pump; wind; a pedal drive; alcohol; wood gas; an electric motor; peat; heating oil; "
        "a clockwork spring; tidal currents; hydrogen; a petrol engine; a fuel cell; rapeseed oil; a pair of oxen; waste "
        "heat; coal dust; a flywheel; a magnetic coil; biogas; a long belt from the tractor"
    ),
    "task": _words(
        "peeling potatoes; drying tobacco; folding newspapers; sorting coins; drilling wells; pressing olives; cutting "
        "marble; sweeping chimneys; carding wool; bottling milk; sharpening skates; grinding lenses; planting rice; "
        "clearing snow; winding yarn; printing wallpaper; cracking walnuts; polishing brass; digging trenches; sealing "
        "letters; bending pipes; washing gravel; shelling peas; stamping leather; rolling cigars; testing ropes; splitting "
        "slate; weighing grain; stitching sails; melting glass"
    ),
    "craft": _words(
        "its glass painters; its leaning bell tower; its smoked trout; its wooden bridges; its violin makers; its salt "
        "mines; its hot springs; its rose gardens; its clock museum; its blue pottery; its horse market; its cheese "
        "cellars; its puppet theatre; its lace; its cherry orchards; its granite quarries; its bell foundry; its carved "
        "doors; its chess school; its gingerbread; its covered market; its night watchmen; its organ concerts; its stork "
        "nests; its ferry races; its poppy fields; its map printers; its ice caves; its choir; its crooked staircases"
    ),
    "product": _words(
        "garden chairs; fishing nets; bicycle tyres; window glass; tinned soup; roof tiles; wool blankets; paper bags; "
        "toothbrushes; door locks; tea; fireworks; hearing aids; pianos; rubber boots; light bulbs; ball bearings; baby "
        "food; sewing thread; lawn mowers; umbrellas; cough drops; kitchen scales; playing cards; ship paint; mustard; "
        "tent poles; writing ink; sledges; mattress springs"
    ),
    "licence": _words(
        "the Harbour Public Licence; the Open Lantern Agreement; the Two Clause Terms; the Shared Garden Licence; the "
        "Northern Free Charter; the Lighthouse Licence; the Copyright Free Pledge; the Fair Exchange Licence; the Academic "
        "Courtesy Terms; the Common Roof Licence; the Open Ledger Licence; the Patent Peace Agreement; the Small Print "
        "Licence; the River Delta Terms; the Educational Use Licence; the Give Back Licence"
    ),
    "language": _words(
        "Rust; Haskell; Python; Fortran; Ada; Lisp; Erlang; Pascal; Kotlin; Scala; Prolog; COBOL; Julia; Perl; Ruby; Lua; "
        "OCaml; Forth; Smalltalk; Scheme; Swift; Elixir; Clojure; Modula"
    ),
    "computing": _words(
        "cataloguing stamps; planning bus routes; editing sheet music; tracking parcels; predicting tides; drawing family "
        "trees; encrypting letters; mixing sound; reserving seats; keeping beehive records; simulating traffic; indexing "
        "scanned books; designing knitting patterns; comparing contracts; counting votes; scheduling nurses; restoring "
        "photographs; translating subtitles; watching servers; billing water; grading essays; mapping caves; recognizing "
        "birdsong; compressing maps; writing invoices; tuning pianos; plotting star charts; filing tax returns; balancing "
        "power grids; sorting mail"
    ),
    "date": _words(
        "on the first Sunday of May; on the last weekend of August; in the week before Christmas; on the longest day of "
        "the year; at the end of the grape harvest; on the second Saturday of June; during the first full moon of autumn; "
        "on the eve of Saint John; in the middle of February; on the third Friday of September; when the ice breaks; on "
        "Whit Monday; in the last days of October; on the tenth of July; at the beginning of Lent; on the Thursday after "
        "Easter; during the spring tide; on New Year's Eve; in the fourth week of November; on the day of the first snow"
    ),
    "attraction": _words(
        "a race of rowing boats; a parade of giants; a contest for the largest pumpkin; a dance on stilts; a concert at "
        "midnight; a duel of brass bands; a bonfire on the beach; a market of second hand books; a puppet opera; a long "
        "table with free soup; a flight of paper lanterns; a cattle show; a sword dance; a play about the plague; a "
        "wrestling match; a kite battle; a procession of lamps; a chess game with living figures; a pie throwing hour; a "
        "regatta of bathtubs; a silent film on the church wall; a contest of whistlers; a blessing of tractors; a sheep "
        "shearing championship; a firework above the lake; a tug of war across the river"
    ),
    "ingredient": _words(
        "red lentils; salted cod; buckwheat flour; goose fat; white beans; chestnuts; sour cream; smoked eel; barley; "
        "turnips; dried plums; goat cheese; sweet potatoes; cabbage; rye bread; pumpkin; wild mushrooms; millet; beetroot; "
        "mutton; egg noodles; chickpeas; leeks; semolina; sorrel; almonds; rabbit; nettles; oat flakes; parsnips"
    ),
    "side_dish": _words(
        "pickled cucumbers; black bread; apple sauce; boiled rice; a glass of cider; green salad; horseradish; roasted "
        "onions; cranberry jam; fried parsley; cold yoghurt; mashed peas; lemon slices; dumplings; a spoonful of honey; "
        "grated radish; toasted seeds; plum brandy; melted butter; olive paste; potato cakes; a soft egg; fried bread; "
        "garlic bread"
    ),
}
