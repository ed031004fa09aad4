"""What is known of each public collection: where it is, how large, under which licence, and its checksums.

Nothing was downloaded to write this page; each fact is somebody's statement, and tests hold those of ir_datasets
against it:

    MS MARCO, TREC, BEIR, CodeSearchNet   sizes, MD5 and counts: ir_datasets 0.6.3. BEIR's own README gives the same
                                          MD5; MS MARCO's README the same 8,841,823 passages.
    BEIR's licences                       what MTEB 2.26 states of the same task, or that it states none. NQ: CC BY-SA
                                          3.0 in the data set's own README, where MTEB has CC BY-NC-SA 3.0. SciFact:
                                          another copy on the hub states CC BY-NC 2.0, where MTEB has 4.0.
    hub data sets                         sizes on the hub's own pages, as stored in 2024 and 2025
    SQuAD                                 SHA-256 and sizes: quoted by several public repositories; 87,599 and 10,570
                                          questions: the data set's rows on the hub
    STS-B                                 MD5 and numbers of pairs: torchtext; licence: the archive's LICENSE.txt;
                                          its size: from memory, nobody states it

A licence here is a pointer, not advice: read it at its source. A file without a checksum is pinned when it is first
downloaded: its SHA-256 is written down beside it, and compared from then on. That notices later changes, not a first
download that was already wrong.

Taught in 20.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        url: where it is.
        size: in bytes; None where unknown.
        checksum: "md5:…", "sha256:…" or "git:…" (SHA-1 of a git blob), or None: pinned at the first download.
        name: what it is called on the disk; the last part of the address by default.
    """

    url: str
    size: int | None = None
    checksum: str | None = None
    name: str = ""

    @property
    def file_name(self) -> str:
        """What it is called on the disk."""
        return self.name or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Entry:
    """A public collection.

    Attributes:
        title: what it is, in a few words.
        kind: whose layout it has: "beir", "msmarco", "squad", "codesearchnet", "sts", "triples", "hard negatives".
        licence: under which the texts may be used; read it before you do.
        page: where its authors describe it.
        files: what is downloaded.
        passages, queries: how many there should be; None where unknown. For "sts", `queries` counts the pairs.
        hub: a data set on Hugging Face's hub, whose files and checksums are asked for there.
        only: the files wanted from the hub, by the beginning of their path; by default those that `mteb.choose` finds.
        parts: of an archive that holds several collections, the folder of this one; of a hub data set, the language
            and perhaps the split.
        about: the size in bytes, roughly, where the exact one is not known before the download.
    """

    title: str
    kind: str
    licence: str
    page: str
    files: tuple[RemoteFile, ...] = ()
    passages: int | None = None
    queries: int | None = None
    hub: str = ""
    only: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    about: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes to download; None where unknown."""
        sizes = [file.size for file in self.files]
        return sum(size for size in sizes if size) if sizes and None not in sizes else None


MS = "https://msmarco.z22.web.core.windows.net/msmarcoranking/"
NIST = "https://trec.nist.gov/data/deep/"
UKP = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/"
SQUAD = "https://rajpurkar.github.io/SQuAD-explorer/dataset/"
CODE = "https://huggingface.co/datasets/macavaney/codesearchnet-mirror/resolve/main/v2/"
BEIR_PAGE = "https://github.com/beir-cellar/beir"
STS = "http://ixa2.si.ehu.eus/stswiki/images/4/48/Stsbenchmark.tar.gz"

MS_TERMS = "Microsoft's terms for MS MARCO: non-commercial research only"
NO_TERMS = "stated neither by BEIR nor by MTEB; look at its source"

MSMARCO_FILES = (
    RemoteFile(f"{MS}collectionandqueries.tar.gz", 1_057_717_952, "md5:31644046b18952c1386cd4564ba2ae69"),
    RemoteFile(f"{MS}qrels.dev.tsv", 1_201_626, "md5:9157ccaeaa8227f91722ba5770787b16"),
    RemoteFile(f"{MS}msmarco-test2019-queries.tsv.gz", 4_276, "md5:eda71eccbe4d251af83150abe065368c"),
    RemoteFile(f"{NIST}2019qrels-pass.txt", 187_092, "md5:2f4be390198da108f6845c822e5ada14"),
    RemoteFile(f"{MS}msmarco-test2020-queries.tsv.gz", 4_131, "md5:00a406fb0d14ed3752d70d1e4eb98600"),
    RemoteFile(f"{NIST}2020qrels-pass.txt", 218_617, "md5:0355ccee7509ac0463e8278186cdd8d1"),
)

# name -> bytes, MD5, passages, queries of all splits, licence as MTEB states it
BEIR: dict[str, tuple[int, str, int, int, str]] = {
    "arguana": (3_773_617, "8ad3e3c2a5867cdced806d6503f29b99", 8_674, 1_406, "CC BY-SA 4.0"),
    "climate-fever": (1_228_666_652, "8b66f0a9126c521bae2bde127b4dc99d", 5_416_593, 1_535, "CC BY-SA 4.0"),
    "dbpedia-entity": (639_285_131, "c2a39eb420a3164af735795df012ac2c", 4_635_922, 467, "MIT"),
    "fever": (1_236_988_269, "5a818580227bfb4b35bb6fa46d9b6c03", 5_416_568, 123_142, "CC BY-NC-SA 3.0"),
    "fiqa": (17_948_027, "17918ed23cd04fb15047f73e6c3bd9d9", 57_638, 6_648, NO_TERMS),
    "hotpotqa": (654_025_350, "f412724f78b0d91183a0e86805e16114", 5_233_329, 97_852, "CC BY-SA 4.0"),
    "msmarco": (1_082_258_632, "444067daf65d982533ea17ebd59501e4", 8_841_823, 509_962, MS_TERMS),
    "nfcorpus": (2_448_432, "a89dba18a62ef92f7d323ec890a0d38d", 3_633, 3_237, NO_TERMS),
    "nq": (498_307_926, "d4d3d2e48787a744b6f6e691ff534307", 2_681_468, 3_452, "CC BY-SA 3.0"),
    "quora": (15_853_968, "18fb154900ba42a600f84b839c173167", 522_931, 15_000, NO_TERMS),
    "scidocs": (142_471_588, "38121350fc3a4d2f48850f6aff52e4a9", 25_657, 1_000, "CC BY-SA 4.0"),
    "scifact": (2_816_079, "5f7d1de60b170fc8027bb7898e2efca1", 5_183, 1_109, "CC BY-NC 4.0"),
    "trec-covid": (73_876_720, "ce62140cb23feb9becf6270d0d1fe6d1", 171_332, 50, NO_TERMS),
    "webis-touche2020": (227_132_363, "46f650ba5a527fc69e0a6521c5a23563", 382_545, 49, "CC BY-SA 4.0"),
}

# CQADupStack is one zip with a folder, and so a collection, for each forum: forum -> passages, queries
CQADUPSTACK_FILE = RemoteFile(f"{UKP}cqadupstack.zip", 5_343_728_040, "md5:4e41456d7df8ee7760a7f866133bda78")
CQADUPSTACK: dict[str, tuple[int, int]] = {
    "android": (22_998, 699),
    "english": (40_221, 1_570),
    "gaming": (45_301, 1_595),
    "gis": (37_637, 885),
    "mathematica": (16_705, 804),
    "physics": (38_316, 1_039),
    "programmers": (32_176, 876),
    "stats": (42_269, 652),
    "tex": (68_184, 2_906),
    "unix": (47_382, 1_072),
    "webmasters": (17_405, 506),
    "wordpress": (48_605, 541),
}

# language -> bytes, MD5
CODESEARCHNET: dict[str, tuple[int, str]] = {
    "go": (487_525_935, "c0288db91f067c95bb952577949e7b13"),
    "java": (1_060_569_153, "fea180077275d8f98f42a3386f492837"),
    "javascript": (1_664_713_350, "7649178a02f7b5c8fbccb64abe7946b6"),
    "php": (851_894_048, "62373f85cfae2f5d7422dc1e55fbbb50"),
    "python": (940_909_997, "07b49dd01fbac894fbdae22da6462e4f"),
    "ruby": (111_758_028, "6847c0149666334cc937909b0e2297ae"),
}

CATALOGUE: dict[str, Entry] = {
    "msmarco-passage": Entry(
        "web queries → passages, with the judgements of TREC Deep Learning 2019 and 2020", "msmarco", MS_TERMS,
        "https://microsoft.github.io/msmarco/", MSMARCO_FILES, passages=8_841_823,
    ),
    "msmarco-passage-hf": Entry(
        "the rows of microsoft/ms_marco v2.1: a query and ten passages", "hugging face", MS_TERMS,
        "https://huggingface.co/datasets/microsoft/ms_marco", hub="microsoft/ms_marco", only=("v2.1/",),
        about=2_105_722_550,
    ),
    "msmarco-triples": Entry(
        "query, positive and negative ids for training", "triples", MS_TERMS, "https://microsoft.github.io/msmarco/",
        (RemoteFile(f"{MS}qidpidtriples.train.full.2.tsv.gz", 1_841_693_309, "md5:219083e80a0a751c08b968c2f31a4e0b"),),
    ),
    "msmarco-hard-negatives": Entry(
        "negatives that several retrievers found", "hard negatives", MS_TERMS,
        "https://huggingface.co/datasets/sentence-transformers/msmarco-hard-negatives",
        hub="sentence-transformers/msmarco-hard-negatives", only=("msmarco-hard-negatives.jsonl.gz",),
        about=1_230_000_000,
    ),
    "squad": Entry(
        "question → the paragraph it was written for", "squad", "CC BY-SA 4.0",
        "https://rajpurkar.github.io/SQuAD-explorer/",
        (RemoteFile(f"{SQUAD}train-v1.1.json", 30_288_272,
                    "sha256:3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955"),
         RemoteFile(f"{SQUAD}dev-v1.1.json", 4_854_279,
                    "sha256:95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9")),
        queries=87_599 + 10_570,
    ),
    "stsbenchmark": Entry(
        "pairs of sentences with similarity from 0 to 5", "sts", "scores CC BY-SA 4.0, texts as their sources",
        "https://ixa2.si.ehu.eus/stswiki/", (RemoteFile(STS, None, "md5:4eb0065aba063ef77873d3a9c8088811"),),
        queries=5_749 + 1_500 + 1_379, about=400_000,
    ),
    **{f"beir/{name}": Entry(
        f"BEIR: {name}", "beir", licence, BEIR_PAGE, (RemoteFile(f"{UKP}{name}.zip", size, f"md5:{md5}"),),
        passages, queries,
    ) for name, (size, md5, passages, queries, licence) in BEIR.items()},
    **{f"beir/cqadupstack/{forum}": Entry(
        f"BEIR: CQADupStack, {forum}, from one zip with all twelve forums", "beir", "Apache 2.0", BEIR_PAGE,
        (CQADUPSTACK_FILE,), passages, queries, parts=(forum,),
    ) for forum, (passages, queries) in CQADUPSTACK.items()},
    **{f"codesearchnet/{language}": Entry(
        f"documentation → {language} function", "codesearchnet", "that of each repository",
        "https://github.com/github/CodeSearchNet", (RemoteFile(f"{CODE}{language}.zip", size, f"md5:{md5}"),),
    ) for language, (size, md5) in CODESEARCHNET.items()},
}  # fmt: skip

ALIASES = {
    "msmarco": "msmarco-passage",
    "natural-questions": "beir/nq",
    "nq": "beir/nq",
    "sts-b": "stsbenchmark",
    "codesearchnet": "codesearchnet/python",
}
PARTS = {"trec-dl-2019": "msmarco-passage", "trec-dl-2020": "msmarco-passage"}  # a split by its own name
SEVERAL = {"beir/cqadupstack": tuple(CQADUPSTACK)}  # a name that holds several collections, each with its own name


def mteb(name: str) -> Entry:
    """The entry of a retrieval task of MTEB: its files are asked for on the hub.

    Args:
        name: "mteb/scifact", or "mteb/MIRACLRetrieval/de" for one language, and "…/dev" after it for one split.
    """
    owner, task, *parts = name.split("/")
    page = f"https://huggingface.co/datasets/{owner}/{task}"
    title = f"MTEB: {', '.join([task, *parts])}"
    return Entry(title, "hugging face", f"see {page}", page, hub=f"{owner}/{task}", parts=tuple(parts))


def names() -> list[str]:
    """The names that `load` knows."""
    return [*CATALOGUE, *ALIASES, *PARTS]


def describe(name: str, entry: Entry) -> str:
    """Size, licence and source, as shown before anything is downloaded."""
    size = readable(entry.size)
    if entry.size is None:
        size = f"about {readable(entry.about)}" if entry.about else "unknown until the hub is asked, and shown then"
    source = (
        f"hub data set {entry.hub}" if entry.hub else ", ".join(dict.fromkeys(f.url.split("/")[2] for f in entry.files))
    )
    return f"{name}: {entry.title}\n  size: {size}\n  licence: {entry.licence}\n  source: {source}; {entry.page}"


def readable(size: int | None) -> str:
    """Bytes for people."""
    if size is None:
        return "unknown"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    raise AssertionError
