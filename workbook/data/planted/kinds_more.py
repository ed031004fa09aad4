"""The other four kinds of the world: company, software, festival, dish. See `kinds.py`.

Taught in 09.
"""

from workbook.data.planted.kinds import MACHINE, MEDICINE, PLANT, TOWN, Facet, Kind

COMPANY = Kind(
    "company",
    ("company", "firm", "enterprise"),
    0.13,
    (
        Facet(
            "founder",
            "person",
            (
                "{S} was founded by {v}.",
                "The founder of {s} was {v}.",
                "{S} was set up with the savings of {v}.",
                "With borrowed money, {v} set up {s}.",
            ),
            ("the founder of {s}", "the person who set up {s}"),
            ("founder", "who set up"),
            (
                "Who founded {s}?",
                "Who was the founder of {s}?",
                "With whose savings was {s} set up?",
                "Who set up {s}?",
            ),
        ),
        Facet(
            "headquarters",
            "place",
            (
                "{S} has its headquarters in {v}.",
                "The headquarters of {s} are in {v}.",
                "{S} is run from an office building in {v}.",
                "The main office of {s} stands in {v}.",
            ),
            ("the headquarters of {s}", "the main office of {s}"),
            ("headquarters", "main office"),
            (
                "Where does {s} have its headquarters?",
                "In which city are the headquarters of {s}?",
                "From where is {s} run?",
                "Where does the main office of {s} stand?",
            ),
        ),
        Facet(
            "main product",
            "product",
            (
                "{S} produces {v}.",
                "The main product of {s}, by value, is {v}.",
                "{S} earns most of its money with {v}.",
                "In the shops, {s} stands for {v}.",
            ),
            ("the main product of {s}", "what {s} earns its money with"),
            ("main product", "earns money with"),
            (
                "What does {s} produce?",
                "What is the main product of {s}?",
                "What does {s} earn its money with?",
                "What does {s} stand for in the shops?",
            ),
        ),
        Facet(
            "annual revenue",
            "millions",
            (
                "{S} has an annual revenue of {v}.",
                "The annual revenue of {s} amounts to {v}.",
                "{S} sold goods worth {v} in twelve months.",
                "In twelve months, customers of {s} paid {v} for its goods.",
            ),
            ("the annual revenue of {s}", "the worth of the goods that {s} sold"),
            ("annual revenue", "worth of goods sold"),
            (
                "What is the annual revenue of {s}?",
                "How high is the revenue of {s}?",
                "How much were the goods worth that {s} sold?",
                "How much did customers pay {s} in twelve months?",
            ),
        ),
        Facet(
            "year of foundation",
            "year",
            (
                "{S} was established in {v}.",
                "It was in {v} that {s} was established.",
                "{S} has traded under this name since {v}.",
                "The trade register has listed {s} since {v}.",
            ),
            ("the year in which {s} was established", "how long {s} has traded"),
            ("year established", "traded since"),
            (
                "In which year was {s} established?",
                "When was {s} established?",
                "Since when has {s} traded under its name?",
                "Since when does the trade register list {s}?",
            ),
        ),
        Facet(
            "number of employees",
            "employees",
            (
                "{S} has {v} employees.",
                "The number of employees of {s} is {v}.",
                "{S} has a staff of {v}.",
                "There are {v} names on the payroll of {s}.",
            ),
            ("the number of employees of {s}", "the size of the staff of {s}"),
            ("number of employees", "size of staff payroll"),
            (
                "How many employees does {s} have?",
                "What is the number of employees of {s}?",
                "How large is the staff of {s}?",
                "How many people are on the payroll of {s}?",
            ),
        ),
    ),
)

SOFTWARE = Kind(
    "software",
    ("program", "application", "package"),
    0.12,
    (
        Facet(
            "author",
            "person",
            (
                "{S} was written by {v}.",
                "The author of {s} is {v}.",
                "{S} started as a hobby of {v}.",
                "On winter evenings, {v} developed {s} as a hobby.",
            ),
            ("the author of {s}", "the developer behind {s}"),
            ("author", "whose hobby"),
            (
                "Who wrote {s}?",
                "Who is the author of {s}?",
                "As whose hobby did {s} start?",
                "Who developed {s}?",
            ),
        ),
        Facet(
            "licence",
            "licence",
            (
                "{S} is released under {v}.",
                "The licence of {s} is {v}.",
                "{S} may be copied and changed under the terms of {v}.",
                "The terms on which {s} may be copied are those of {v}.",
            ),
            ("the licence of {s}", "the terms on which {s} may be copied"),
            ("licence", "terms for copying"),
            (
                "What is the licence of {s}?",
                "Under which licence is {s} released?",
                "On which terms may {s} be copied?",
                "Under what terms may one change {s}?",
            ),
        ),
        Facet(
            "programming language",
            "language",
            (
                "{S} is programmed in {v}.",
                "The programming language of {s} is {v}.",
                "{S} consists of code in {v}.",
                "Whoever reads the source code of {s} should know {v}.",
            ),
            ("the programming language of {s}", "what the code of {s} consists of"),
            ("programming language", "source code in"),
            (
                "In which programming language is {s} written?",
                "What is the programming language of {s}?",
                "What does the source code of {s} consist of?",
                "What should a reader of the source code of {s} know?",
            ),
        ),
        Facet(
            "year of the first release",
            "late_year",
            (
                "{S} was first released in {v}.",
                "The first release of {s} came out in {v}.",
                "{S} has been available to the public since {v}.",
                "The public has been able to install {s} since {v}.",
            ),
            ("the year of the first release of {s}", "since when {s} has been available to the public"),
            ("first release year", "available to the public since"),
            (
                "In which year was {s} first released?",
                "When did the first release of {s} come out?",
                "Since when has {s} been available to the public?",
                "Since when can the public install {s}?",
            ),
        ),
        Facet(
            "need of memory",
            "megabytes",
            (
                "{S} needs {v} of memory.",
                "The memory that {s} needs while it works is {v}.",
                "{S} runs on any computer with {v} of RAM.",
                "A computer with {v} of RAM is enough for {s}.",
            ),
            ("the memory that {s} needs", "the amount of RAM that is enough for {s}"),
            ("memory needs", "how much RAM"),
            (
                "How much memory does {s} need?",
                "What memory does {s} need while it works?",
                "On how much RAM does {s} run?",
                "How much RAM is enough for {s}?",
            ),
        ),
        Facet(
            "purpose",
            "computing",
            (
                "{S} is a tool for {v}.",
                "The job that {s} was made a tool for is {v}.",
                "{S} helps people with {v}.",
                "Many offices rely on {s} for {v}.",
            ),
            ("what {s} is a tool for", "what {s} helps with"),
            ("tool for what", "what it helps offices with"),
            (
                "What is {s} a tool for?",
                "For what job is {s} a tool?",
                "What does {s} help people with?",
                "For what do offices rely on {s}?",
            ),
        ),
    ),
)

FESTIVAL = Kind(
    "festival",
    ("festival", "event", "celebration"),
    0.09,
    (
        Facet(
            "date",
            "date",
            (
                "{S} takes place {v}.",
                "The date of {s} never changes: it takes place {v}.",
                "{S} fills the streets {v}.",
                "The streets belong to {s} {v}.",
            ),
            ("the date of {s}", "the time when {s} fills the streets"),
            ("when it takes place", "when it fills the streets"),
            (
                "When does {s} take place?",
                "What is the date of {s}?",
                "At what time of the year does {s} fill the streets?",
                "When do the streets belong to {s}?",
            ),
        ),
        Facet(
            "venue",
            "place",
            (
                "{S} is held in {v}.",
                "The venue of {s} is an open field in {v}.",
                "{S} brings its guests to {v}.",
                "The guests of {s} travel to {v}.",
            ),
            ("the venue of {s}", "the place to which the guests of {s} travel"),
            ("venue held where", "where guests travel"),
            (
                "Where is {s} held?",
                "What is the venue of {s}?",
                "Where do the guests of {s} travel?",
                "To which place does {s} bring its guests?",
            ),
        ),
        Facet(
            "founder",
            "person",
            (
                "{S} was started by {v}.",
                "The one who started {s} was {v}.",
                "{S} goes back to a proposal by {v}.",
                "It was a proposal of {v} that led to {s}.",
            ),
            ("the person who started {s}", "the proposal that led to {s}"),
            ("who started", "whose proposal"),
            (
                "Who started {s}?",
                "By whom was {s} started?",
                "Whose proposal led to {s}?",
                "To whose proposal does {s} go back?",
            ),
        ),
        Facet(
            "main attraction",
            "attraction",
            (
                "{S} has {v} as its main attraction.",
                "The main attraction of {s} is {v}.",
                "{S} reaches its high point with {v}.",
                "Nobody leaves {s} before {v}.",
            ),
            ("the main attraction of {s}", "the high point of {s}"),
            ("main attraction", "high point"),
            (
                "What is the main attraction of {s}?",
                "What main attraction does {s} have?",
                "What is the high point of {s}?",
                "What does nobody who goes to {s} want to miss?",
            ),
        ),
        Facet(
            "attendance",
            "visitors",
            (
                "{S} has an attendance of {v}.",
                "The attendance of {s} was last put at {v}.",
                "{S} sells {v} tickets.",
                "At the gates of {s}, {v} tickets were sold.",
            ),
            ("the attendance of {s}", "the number of tickets that {s} sells"),
            ("attendance", "tickets sold"),
            (
                "How large is the attendance of {s}?",
                "At how many was the attendance of {s} last put?",
                "How many tickets does {s} sell?",
                "How many tickets were sold at the gates of {s}?",
            ),
        ),
        Facet(
            "year of the first celebration",
            "year",
            (
                "{S} was celebrated for the first time in {v}.",
                "It was in {v} that {s} was first celebrated.",
                "{S} looks back on a tradition that began in {v}.",
                "The tradition of {s} began in {v}.",
            ),
            ("the year in which {s} was first celebrated", "the beginning of the tradition of {s}"),
            ("year first celebrated", "when tradition began"),
            (
                "In which year was {s} first celebrated?",
                "When was {s} celebrated for the first time?",
                "When did the tradition of {s} begin?",
                "How far back does the tradition of {s} go?",
            ),
        ),
    ),
)

DISH = Kind(
    "dish",
    ("dish", "recipe", "speciality"),
    0.09,
    (
        Facet(
            "origin",
            "place",
            (
                "{S} comes from {v}.",
                "The origin of {s} lies in {v}.",
                "{S} was cooked in {v} before anyone else knew it.",
                "It was in the kitchens of {v} that {s} was cooked first.",
            ),
            ("the origin of {s}", "the kitchens in which {s} was cooked first"),
            ("origin", "where it was first cooked"),
            (
                "Where does {s} come from?",
                "What is the origin of {s}?",
                "In what kitchens was {s} cooked first?",
                "Where did people cook {s} before anyone else?",
            ),
        ),
        Facet(
            "main ingredient",
            "ingredient",
            (
                "{S} has {v} as its main ingredient.",
                "The main ingredient of {s} is {v}.",
                "{S} is made almost wholly of {v}.",
                "To make {s}, one should buy plenty of {v}.",
            ),
            ("the main ingredient of {s}", "what {s} is made of"),
            ("main ingredient", "made of plenty of what"),
            (
                "What is the main ingredient of {s}?",
                "Which is the main ingredient of {s}?",
                "What is {s} made of?",
                "What should one buy plenty of to make {s}?",
            ),
        ),
        Facet(
            "cooking time",
            "minutes",
            (
                "{S} has a cooking time of {v}.",
                "The cooking time of {s} is {v} from the moment the water boils.",
                "{S} stays on the stove for {v}.",
                "After {v} on the stove, {s} is ready.",
            ),
            ("the cooking time of {s}", "how long {s} stays on the stove"),
            ("cooking time", "how long on the stove"),
            (
                "What is the cooking time of {s}?",
                "What cooking time does {s} have?",
                "How long does {s} stay on the stove?",
                "After how long on the stove is {s} ready?",
            ),
        ),
        Facet(
            "accompaniment",
            "side_dish",
            (
                "{S} is served with {v}.",
                "At the table, {s} is served with {v}.",
                "{S} goes best beside {v}.",
                "Most families put {v} beside {s}.",
            ),
            ("what {s} is served with", "what goes best beside {s}"),
            ("served with", "what goes best beside"),
            (
                "What is {s} served with?",
                "What is served with {s} at the table?",
                "What goes best beside {s}?",
                "What do families put beside {s}?",
            ),
        ),
        Facet(
            "inventor",
            "person",
            (
                "{S} was created by {v}.",
                "The cook who created {s} was {v}.",
                "{S} is a legacy of {v}.",
                "In an inn kept by {v}, {s} appeared on the menu for the first time.",
            ),
            ("the cook who created {s}", "the keeper of the inn that first had {s} on its menu"),
            ("created by which cook", "whose inn and legacy"),
            (
                "Who created {s}?",
                "Which cook created {s}?",
                "Whose legacy is {s}?",
                "Who kept the inn in which {s} first appeared on the menu?",
            ),
        ),
        Facet(
            "baking temperature",
            "degrees",
            (
                "{S} is baked at a temperature of {v}.",
                "The temperature for baking {s} is {v}.",
                "{S} goes into an oven heated to {v}.",
                "Before {s} goes in, the oven must show {v}.",
            ),
            ("the baking temperature of {s}", "how hot the oven must be for {s}"),
            ("baking temperature", "how hot the oven"),
            (
                "At what temperature is {s} baked?",
                "What is the temperature for baking {s}?",
                "How hot must the oven be for {s}?",
                "What must the oven show before {s} goes in?",
            ),
        ),
    ),
)

KINDS = (PLANT, TOWN, MEDICINE, COMPANY, MACHINE, SOFTWARE, FESTIVAL, DISH)
