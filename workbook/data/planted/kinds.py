"""What the world is made of: eight kinds of things, six facets of each, and the words for them.

A facet has two vocabularies that share no telling word: "grows to a height of" and "measures, when
fully grown". A sentence uses one of them, and so does a question. The pairs are the same for every
thing of a kind, so a model can learn from some plants how people ask about others.

In a wording {S} is the subject at the beginning of the sentence, {s} the subject elsewhere, {v} the
value. Everything here was written by hand; nothing in it is true of any real thing.

Taught in 09.
"""

from typing import NamedTuple


class Facet(NamedTuple):
    """One thing that can be said of a kind.

    Attributes:
        name: what it is called in reasons.
        values: the kind of value, see `values.py`.
        wordings: four sentences; the first two in the first vocabulary, the others in the second.
        nouns: the facet as a noun phrase, in each vocabulary.
        keywords: what one types into a search box, in each vocabulary.
        questions: two in each vocabulary.
    """

    name: str
    values: str
    wordings: tuple[str, str, str, str]
    nouns: tuple[str, str]
    keywords: tuple[str, str]
    questions: tuple[str, str, str, str]


class Kind(NamedTuple):
    """A kind of things.

    Attributes:
        name: for example "plant".
        nouns: three words for it.
        share: of the corpus, where topics do not drift.
        facets: six.
    """

    name: str
    nouns: tuple[str, str, str]
    share: float
    facets: tuple[Facet, ...]


PLANT = Kind(
    "plant",
    ("plant", "species", "herb"),
    0.16,
    (
        Facet(
            "height",
            "centimetres",
            (
                "{S} grows to a height of {v}.",
                "The height of {s} in good soil is {v}.",
                "{S} measures {v} when fully grown.",
                "A mature specimen of {s} measures {v} from base to tip.",
            ),
            ("the height of {s}", "the full size of {s}"),
            ("height", "mature size"),
            (
                "What height does {s} reach?",
                "How high does {s} grow?",
                "How big is a mature specimen of {s}?",
                "How much does {s} measure when it is fully grown?",
            ),
        ),
        Facet(
            "flower colour",
            "colour",
            (
                "{S} has {v} flowers.",
                "The colour of the flowers of {s} is {v}.",
                "{S} opens {v} blossoms at the end of each stem.",
                "Every blossom of {s} is {v}, with a darker throat.",
            ),
            ("the colour of the flowers of {s}", "the shade of the blossoms of {s}"),
            ("flowers colour", "blossom shade"),
            (
                "What colour are the flowers of {s}?",
                "What colour is {s} when it flowers?",
                "What shade is the blossom of {s}?",
                "What do the blossoms of {s} look like?",
            ),
        ),
        Facet(
            "habitat",
            "habitat",
            (
                "{S} grows wild in {v}.",
                "In the wild, the habitat of {s} is {v}.",
                "{S} is found at home in {v}.",
                "Collectors looking for {s} search {v}.",
            ),
            ("the wild habitat of {s}", "the natural home of {s}"),
            ("wild habitat", "where at home"),
            (
                "Where does {s} grow wild?",
                "What is the habitat of {s}?",
                "Where is {s} at home in nature?",
                "Where would collectors look to find {s}?",
            ),
        ),
        Facet(
            "author of the first description",
            "person",
            (
                "{S} was first described by {v}.",
                "The first description of {s} was written by {v}.",
                "{S} entered the scientific record through the work of {v}.",
                "Credit for naming {s} goes to {v}.",
            ),
            ("the author of the first description of {s}", "the scientist who gave {s} its name"),
            ("first described by", "naming scientist"),
            (
                "Who first described {s}?",
                "Who wrote the first description of {s}?",
                "Which scientist is credited with naming {s}?",
                "Who brought {s} into the scientific record?",
            ),
        ),
        Facet(
            "common use",
            "remedy",
            (
                "{S} is used as {v}.",
                "The most common use of {s} is as {v}.",
                "{S} serves country people as {v}.",
                "Dried and crushed, {s} makes {v}.",
            ),
            ("the common use of {s}", "what {s} serves for"),
            ("common use", "what it serves for when dried"),
            (
                "What is {s} used as?",
                "What is the most common use of {s}?",
                "What purpose does {s} serve for country people?",
                "What can be made of dried {s}?",
            ),
        ),
        Facet(
            "flowering season",
            "season",
            (
                "{S} flowers in {v}.",
                "The flowering season of {s} is {v}.",
                "{S} comes into bloom in {v}.",
                "Anyone who wants to see {s} in bloom should go in {v}.",
            ),
            ("the flowering season of {s}", "the time of bloom of {s}"),
            ("flowering season", "bloom time"),
            (
                "In which season does {s} flower?",
                "When is the flowering season of {s}?",
                "When does {s} come into bloom?",
                "At what time of the year can one see {s} in bloom?",
            ),
        ),
    ),
)

MEDICINE = Kind(
    "medicine",
    ("medicine", "drug", "preparation"),
    0.14,
    (
        Facet(
            "daily dose",
            "milligrams",
            (
                "{S} is taken in a daily dose of {v}.",
                "The daily dose of {s} for an adult is {v}.",
                "{S} is prescribed at {v} every morning.",
                "The amount of {s} that doctors usually prescribe is {v}.",
            ),
            ("the daily dose of {s}", "the usual amount of {s}"),
            ("daily dose", "amount usually prescribed"),
            (
                "What is the daily dose of {s}?",
                "How large a dose of {s} is taken daily?",
                "How much {s} do doctors prescribe every morning?",
                "What amount of {s} is usually prescribed?",
            ),
        ),
        Facet(
            "side effect",
            "side_effect",
            (
                "{S} has {v} as its best known side effect.",
                "The side effect most often reported for {s} is {v}.",
                "{S} may cause {v} in the first weeks.",
                "Unwanted reactions to {s} include {v}.",
            ),
            ("the side effect of {s}", "the unwanted reactions to {s}"),
            ("side effect", "unwanted reactions"),
            (
                "What is the best known side effect of {s}?",
                "Which side effect is reported for {s}?",
                "What unwanted reactions may {s} cause?",
                "What can {s} cause in the first weeks?",
            ),
        ),
        Facet(
            "treated illness",
            "illness",
            (
                "{S} is given for the treatment of {v}.",
                "Physicians choose {s} for the treatment of {v}.",
                "{S} brings relief to people who suffer from {v}.",
                "People who suffer from {v} are helped by {s}.",
            ),
            ("what {s} is a treatment for", "the illness that {s} relieves"),
            ("treatment of what", "relief for people who suffer from what"),
            (
                "What is {s} given for the treatment of?",
                "What do physicians choose {s} for?",
                "To whom does {s} bring relief?",
                "What do the people helped by {s} suffer from?",
            ),
        ),
        Facet(
            "discoverer",
            "person",
            (
                "{S} was discovered by {v}.",
                "The discovery of {s} is owed to {v}.",
                "{S} came out of the laboratory of {v}.",
                "It was {v} who found the active substance of {s}.",
            ),
            ("the discoverer of {s}", "the laboratory in which {s} was found"),
            ("discovered by", "whose laboratory found"),
            (
                "Who discovered {s}?",
                "To whom do we owe the discovery of {s}?",
                "Whose laboratory did {s} come out of?",
                "Who found the active substance of {s}?",
            ),
        ),
        Facet(
            "year of approval",
            "year",
            (
                "{S} was approved in {v}.",
                "The approval of {s} dates from {v}.",
                "{S} has been on the market since {v}.",
                "Pharmacies have been allowed to sell {s} since {v}.",
            ),
            ("the year of approval of {s}", "the date at which {s} came on the market"),
            ("approval year", "on the market since"),
            (
                "In which year was {s} approved?",
                "When was the approval of {s}?",
                "Since when has {s} been on the market?",
                "Since when have pharmacies been allowed to sell {s}?",
            ),
        ),
        Facet(
            "way of storage",
            "storage",
            (
                "{S} must be stored {v}.",
                "For the storage of {s} the label gives one rule: it belongs {v}.",
                "{S} keeps its strength only {v}.",
                "To stay effective, {s} should be kept {v}.",
            ),
            ("the storage of {s}", "the way to keep {s} effective"),
            ("storage", "how to keep it effective"),
            (
                "How must {s} be stored?",
                "What does the label say about the storage of {s}?",
                "How should one keep {s} so that it stays effective?",
                "Where does {s} keep its strength?",
            ),
        ),
    ),
)

MACHINE = Kind(
    "machine",
    ("machine", "apparatus", "device"),
    0.12,
    (
        Facet(
            "inventor",
            "person",
            (
                "{S} was invented by {v}.",
                "The inventor of {s} was {v}.",
                "{S} was thought up in the workshop of {v}.",
                "The idea for {s} came from {v}.",
            ),
            ("the inventor of {s}", "the person who thought up {s}"),
            ("inventor", "whose idea"),
            (
                "Who invented {s}?",
                "Who was the inventor of {s}?",
                "Who thought up {s}?",
                "Whose idea was {s}?",
            ),
        ),
        Facet(
            "weight",
            "tonnes",
            (
                "{S} has a weight of {v}.",
                "The weight of {s} without its frame is {v}.",
                "{S} tips the scales at {v}.",
                "A crane has to lift {v} when {s} is moved.",
            ),
            ("the weight of {s}", "how heavy {s} is"),
            ("weight", "how heavy on the scales"),
            (
                "What is the weight of {s}?",
                "What weight does {s} have without its frame?",
                "How heavy is {s}?",
                "At what does {s} tip the scales?",
            ),
        ),
        Facet(
            "source of power",
            "power",
            (
                "{S} is powered by {v}.",
                "The power of {s} is supplied by {v}.",
                "{S} is driven by {v} and needs little else.",
                "What keeps {s} running is {v}.",
            ),
            ("the power supply of {s}", "what keeps {s} running"),
            ("power supply", "driven by or running on"),
            (
                "What is {s} powered by?",
                "What supplies the power of {s}?",
                "What drives {s}?",
                "What keeps {s} running?",
            ),
        ),
        Facet(
            "year of construction",
            "year",
            (
                "{S} was built for the first time in {v}.",
                "The first {s} was built in {v}.",
                "{S} left the factory from {v} onwards.",
                "Series production of {s} started in {v}.",
            ),
            ("the year in which {s} was first built", "the start of production of {s}"),
            ("year first built", "start of production"),
            (
                "In which year was {s} first built?",
                "When was {s} built for the first time?",
                "When did series production of {s} start?",
                "From what date did {s} leave the factory?",
            ),
        ),
        Facet(
            "place of manufacture",
            "place",
            (
                "{S} is made in {v}.",
                "The workshops that make {s} stand in {v}.",
                "{S} is manufactured by a plant at {v}.",
                "The city of {v} is where {s} is manufactured.",
            ),
            ("the place where {s} is made", "the site at which {s} is manufactured"),
            ("where made", "manufactured where"),
            (
                "Where is {s} made?",
                "Where do the workshops stand that make {s}?",
                "At which site is {s} manufactured?",
                "Which city manufactures {s}?",
            ),
        ),
        Facet(
            "purpose",
            "task",
            (
                "{S} is designed for {v}.",
                "The purpose of {s} is {v}.",
                "{S} does one job well: {v}.",
                "Workers turn to {s} when the job is {v}.",
            ),
            ("the purpose of {s}", "the job that {s} does"),
            ("purpose designed for", "which job it does"),
            (
                "What is {s} designed for?",
                "What is the purpose of {s}?",
                "Which job does {s} do well?",
                "For which job do workers turn to {s}?",
            ),
        ),
    ),
)

TOWN = Kind(
    "town",
    ("town", "municipality", "settlement"),
    0.15,
    (
        Facet(
            "population",
            "inhabitants",
            (
                "{S} has a population of {v}.",
                "At the last count, the population of {s} was {v}.",
                "{S} is home to {v} people.",
                "There are {v} people who live in {s}.",
            ),
            ("the population of {s}", "the number of people who live in {s}"),
            ("population", "how many people live in"),
            (
                "What is the population of {s}?",
                "How large was the population of {s} at the last count?",
                "How many people live in {s}?",
                "How many people call {s} their home?",
            ),
        ),
        Facet(
            "year of foundation",
            "early_year",
            (
                "{S} was founded in {v}.",
                "The foundation of {s} took place in {v}.",
                "{S} appears in documents from {v} on.",
                "The oldest document that mentions {s} was written in {v}.",
            ),
            ("the year of the foundation of {s}", "the age of the oldest document on {s}"),
            ("year founded", "oldest document"),
            (
                "In which year was {s} founded?",
                "When did the foundation of {s} take place?",
                "How old is the oldest document that mentions {s}?",
                "Since when does {s} appear in documents?",
            ),
        ),
        Facet(
            "mayor",
            "person",
            (
                "{S} has {v} as its mayor.",
                "The mayor of {s} is {v}.",
                "{S} is governed by a council under {v}.",
                "At the head of the council of {s} sits {v}.",
            ),
            ("the mayor of {s}", "the head of the council of {s}"),
            ("mayor", "head of council"),
            (
                "Who is the mayor of {s}?",
                "What is the name of the mayor of {s}?",
                "Who is at the head of the council of {s}?",
                "Under whom is {s} governed?",
            ),
        ),
        Facet(
            "river",
            "place",
            (
                "{S} lies on the river {v}.",
                "The river that flows through {s} is called {v}.",
                "{S} takes its drinking water from the {v}.",
                "It was on the banks of the {v} that {s} began.",
            ),
            ("the river of {s}", "the water on whose banks {s} stands"),
            ("river", "drinking water banks"),
            (
                "On which river does {s} lie?",
                "What is the river called that flows through {s}?",
                "Where does {s} take its drinking water from?",
                "On whose banks did {s} begin?",
            ),
        ),
        Facet(
            "elevation",
            "metres",
            (
                "{S} lies at an elevation of {v}.",
                "The elevation of the market place of {s} is {v}.",
                "{S} stands {v} above the sea.",
                "From sea level the road climbs {v} to reach {s}.",
            ),
            ("the elevation of {s}", "how far {s} stands above the sea"),
            ("elevation", "metres above sea"),
            (
                "At what elevation does {s} lie?",
                "What is the elevation of {s}?",
                "How far above the sea does {s} stand?",
                "How far does the road climb from sea level to {s}?",
            ),
        ),
        Facet(
            "claim to fame",
            "craft",
            (
                "{S} is famous for {v}.",
                "The fame of {s} rests on {v}.",
                "{S} draws visitors who come for {v}.",
                "Most visitors come to {s} because of {v}.",
            ),
            ("the fame of {s}", "what draws visitors to {s}"),
            ("famous for", "what visitors come for"),
            (
                "What is {s} famous for?",
                "What does the fame of {s} rest on?",
                "Why do most visitors come to {s}?",
                "What draws visitors to {s}?",
            ),
        ),
    ),
)
