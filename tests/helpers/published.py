"""Small files in the exact layouts in which public collections are published.

None of them was downloaded: their names, fields, types and separators were held against what publishers and users
show of the real ones (docs/data.md says which). Lines that are quoted there are used here: the first of
queries.train.tsv and of sts-train.csv, the first ids of SQuAD, SciFact and Natural Questions.
"""

import bz2
import gzip
import json
import lzma
from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """A file, packed where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(data))
    return path


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_parquet(path: Path, rows: list[dict], schema=None) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


# --- MS MARCO passage ranking: no header, nothing escaped ----------------------------------------

MSMARCO = {
    "collection.tsv": (
        "0\tThe presence of communication amid scientific minds was equally important.\n"
        '1\tThe "Manhattan Project" said: don\u00e2\u0080\u0099t. It is 5\'10" tall.\n'  # quotes alone, and encoded twice
        "2\tEssay on The Manhattan Project\n"
        "3\tThe Manhattan Project was the name for a project\n"
    ),
    "queries.train.tsv": "121352\tdefine extreme\n634306\twhat does chattel mean on credit history\n",
    "queries.dev.tsv": "1048578\tcost of endless pools/swim spa\n1048579\twhat is pcnt\n",
    "queries.dev.small.tsv": "1048578\tcost of endless pools/swim spa\n",
    "queries.eval.tsv": "1048565\twho plays sebastian michaelis\n",
    "queries.eval.small.tsv": "1048565\twho plays sebastian michaelis\n",
    "qrels.train.tsv": "121352\t0\t0\t1\n634306\t0\t1\t1\n634306\t0\t2\t1\n",
    "qrels.dev.tsv": "1048578\t0\t3\t1\n1048579\t0\t2\t1\n",
    "qrels.dev.small.tsv": "1048578\t0\t3\t1\n",
    "msmarco-test2019-queries.tsv.gz": "19335\tanthropological definition of environment\n47923\taxon terminals definition\n",
    "2019qrels-pass.txt": "19335 Q0 1 0\n19335 Q0 3 2\n19335 Q0 0 3\n",
    "msmarco-test2020-queries.tsv.gz": "1030303\twho is aziz hashim\n",
    "2020qrels-pass.txt": "1030303 0 2 1\n",
}


def msmarco(folder: Path, **changed: str | bytes) -> Path:
    for name, content in (MSMARCO | changed).items():
        write(folder / name, content)
    return folder


TRIPLES = "121352\t0\t3\n634306\t1\t0\n634306\t2\t3\n"
HARD_NEGATIVES = [
    {"qid": 121352, "pos": [0], "neg": {"bm25": [3, 2], "msmarco-distilbert-base-tas-b": [1]}},
    {"qid": 634306, "pos": [1, 2], "neg": {"bm25": []}},
]

# microsoft/ms_marco, v2.1: a query in a row, with its ten passages; a struct of lists, numbers in 32 bits
MSMARCO_ROWS = [
    {
        "answers": ["Approximately $15,000 per year."],
        "passages": {
            "is_selected": [1, 0],
            "passage_text": ["The average Walgreens salary is $15,000.", "A shared passage."],
            "url": ["http://www.indeed.com/salary/q-Walgreens", "http://example.org"],
        },
        "query": ")what was the immediate impact of the success of the manhattan project?",
        "query_id": 1185869,
        "query_type": "NUMERIC",
        "wellFormedAnswers": [],
    },
    {
        "answers": ["No Answer Present."],
        "passages": {"is_selected": [0, 1], "passage_text": ["A shared passage.", "Another."], "url": ["u", "v"]},
        "query": "walgreens store sales average",
        "query_id": 9652,
        "query_type": "NUMERIC",
        "wellFormedAnswers": [],
    },
]


def msmarco_rows(folder: Path) -> Path:
    """The layout of the hub: v2.1/SPLIT-*.parquet. Whose passages answer is not told in the split test."""
    import pyarrow as pa

    passages = {
        "is_selected": pa.list_(pa.int32()),
        "passage_text": pa.list_(pa.string()),
        "url": pa.list_(pa.string()),
    }
    schema = pa.schema({
        "answers": pa.list_(pa.string()), "passages": pa.struct(passages), "query": pa.string(),
        "query_id": pa.int32(), "query_type": pa.string(), "wellFormedAnswers": pa.list_(pa.string()),
    })  # fmt: skip
    hidden = {
        "answers": [],
        "passages": {
            "is_selected": [0, 0],
            "passage_text": ["A shared passage.", "Seen in test only."],
            "url": ["u", "w"],
        },
        "query": "what is a hidden answer",
        "query_id": 15177,
        "query_type": "DESCRIPTION",
        "wellFormedAnswers": [],
    }
    write_parquet(folder / "v2.1/train-00000-of-00001.parquet", MSMARCO_ROWS[:1], schema)
    write_parquet(folder / "v2.1/validation-00000-of-00001.parquet", MSMARCO_ROWS[1:], schema)
    write_parquet(folder / "v2.1/test-00000-of-00001.parquet", [hidden], schema)
    return folder


# --- SQuAD 1.1 ------------------------------------------------------------------------------------

SQUAD_TRAIN = {
    "data": [
        {
            "title": "University_of_Notre_Dame",
            "paragraphs": [
                {
                    "context": "Architecturally, the school has a Catholic character.",
                    "qas": [
                        {
                            "answers": [{"answer_start": 515, "text": "Saint Bernadette Soubirous"}],
                            "question": "To whom did the Virgin Mary allegedly appear in 1858 in Lourdes France?",
                            "id": "5733be284776f41900661182",
                        },
                        {
                            "answers": [{"answer_start": 188, "text": "a copper statue of Christ"}],
                            "question": " What is in front of the Notre Dame Main Building?",
                            "id": "5733be284776f4190066117f",
                        },
                    ],
                },
                {
                    "context": "As at most other universities, students run media outlets.",
                    "qas": [{"answers": [], "question": "When did it begin?", "id": "5733bf84d058e614000b61be"}],
                },
            ],
        }
    ],
    "version": "1.1",
}
SQUAD_DEV = {
    "data": [
        {
            "title": "Super_Bowl_50",
            "paragraphs": [
                {
                    "context": "Super Bowl 50 was an American football game.",
                    "qas": [
                        {
                            "answers": [{"answer_start": 177, "text": "Denver Broncos"}],
                            "question": "Which NFL team represented the AFC?",
                            "id": "56be4db0acb8001400a502ec",
                        }
                    ],
                }
            ],
        }
    ],
    "version": "1.1",
}

# --- STS Benchmark: sts-train.csv is tab-separated, quotes are text, some rows have licence fields ---

STS_TRAIN = (
    "main-captions\tMSRvid\t2012test\t0001\t5.000\tA plane is taking off.\tAn air plane is taking off.\n"
    'main-news\theadlines\t2013\t0012\t3.80\t"Quoted" at the start\tAn "inch is 1\n'
    "main-forums\tdeft-forum\t2014\t0020\t0\tfirst\tsecond\thttp://source.one\thttp://source.two\n"
)
STS_TEST = "main-captions\tMSRvid\t2012test\t0024\t2.500\tA girl is styling her hair.\tA girl is brushing her hair.\n"
STS_HEADER = (
    "split\tgenre\tdataset\tyear\tsid\tscore\tsentence1\tsentence2\n"
    "train\tmain-captions\tMSRvid\t2012test\t0001\t5.00\tA plane is taking off.\tAn air plane is taking off.\n"
    "dev\tmain-captions\tMSRvid\t2012test\t0024\t2.50\tA girl.\tA boy.\n"
)
STS_ROWS = [
    {"split": "test", "genre": "main-captions", "dataset": "MSRvid", "year": "2012test", "sid": "0024", "score": 2.5,
     "sentence1": "A girl is styling her hair.", "sentence2": "A girl is brushing her hair."},
]  # fmt: skip

# --- CodeSearchNet --------------------------------------------------------------------------------

CODE = 'def add(a, b):\n    """Add two numbers."""\n    return a + b'
CODE_ROW = {
    "repo": "owner/repo",
    "path": "pkg/math.py",
    "func_name": "add",
    "original_string": CODE,
    "language": "python",
    "code": CODE,
    "code_tokens": ["def", "add", "(", "a", ",", "b", ")", ":", "return", "a", "+", "b"],
    "docstring": "Add two numbers.",
    "docstring_tokens": ["Add", "two", "numbers", "."],
    "sha": "0123456789abcdef0123456789abcdef01234567",
    "url": "https://github.com/owner/repo/blob/0123/pkg/math.py#L1-L3",
    "partition": "train",
}
CODE_ROW_HF = {
    "repository_name": "owner/repo",
    "func_path_in_repository": "pkg/math.py",
    "func_name": "add",
    "whole_func_string": CODE,
    "language": "python",
    "func_code_string": CODE,
    "func_code_tokens": CODE_ROW["code_tokens"],
    "func_documentation_string": "Add two numbers.",
    "func_documentation_tokens": CODE_ROW["docstring_tokens"],
    "split_name": "train",
    "func_code_url": CODE_ROW["url"],
}


def codesearchnet(folder: Path) -> Path:
    """The layout of the published zip: LANGUAGE/final/jsonl/SPLIT/LANGUAGE_SPLIT_N.jsonl.gz, and two pickles."""
    write(folder / "python_licenses.pkl", "a pickle")
    write(folder / "python_dedupe_definitions_v2.pkl", "a pickle")
    for split, function in (("train", "add"), ("valid", "sub"), ("test", "mul")):
        row = CODE_ROW | {"url": f"https://github.com/owner/repo/{function}", "partition": split}
        write_jsonl(folder / f"python/final/jsonl/{split}/python_{split}_0.jsonl.gz", [row])
    return folder


# --- MTEB's tasks and BEIR's Natural Questions ------------------------------------------------------

MTEB_CORPUS = [
    {"_id": "4983", "title": "Microstructural development", "text": "Alterations of the architecture."},
    {"_id": "5836", "title": "", "text": "Myelodysplastic syndromes."},
]
MTEB_QUERIES = [{"_id": "1", "text": "0-dimensional biomaterials show inductive properties."}]
MTEB_QRELS = [
    {"query-id": "1", "corpus-id": "4983", "score": 1.0},
    {"query-id": "1", "corpus-id": "5836", "score": 0.0},
]


def mteb_jsonl(folder: Path) -> Path:
    """The form of BEIR's collections there, mteb/scifact: judgements in two forms, of which the card names one."""
    write_jsonl(folder / "corpus.jsonl", MTEB_CORPUS)
    write_jsonl(folder / "queries.jsonl", MTEB_QUERIES)
    write_jsonl(folder / "qrels/test.jsonl", MTEB_QRELS)
    write(folder / "qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\t4983\t1\n1\t5836\t0\n")
    return card(folder, ("default", "test", "qrels/test.jsonl"), ("corpus", "corpus", "corpus.jsonl"),
                ("queries", "queries", "queries.jsonl"))  # fmt: skip


def card(folder: Path, *files: tuple[str, str, str]) -> Path:
    """The README.md that tells the hub and the library datasets which files are which configuration and split."""
    configs = {config: [(split, path) for name, split, path in files if name == config] for config, _, _ in files}
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, path in splits:
            lines += [f"  - split: {split}", f"    path: {path}"]
    write(folder / "README.md", "\n".join([*lines, "---", ""]))
    return folder


LANGUAGES = {"ar": "ما هو", "de": "was ist", "en": "what is"}


def mteb_languages(folder: Path, splits: tuple[str, ...] = ("dev",), id: str = "_id") -> Path:
    """The form of MIRACLRetrieval and MultiLongDocRetrieval: LANGUAGE-corpus, -queries and -qrels.

    As in the latter, each split has a corpus of its own, and they are all the same. `id` is "_id" in one, "id" in the
    other; both ids are texts, scores whole numbers.
    """
    for language, words in LANGUAGES.items():
        for split in splits:
            file = f"{split}-00000-of-00001.parquet"
            corpus = [{id: f"7#{n}", "text": f"{words} {n}", "title": language} for n in range(3)]
            write_parquet(folder / f"{language}-corpus" / file, corpus)
            write_parquet(folder / f"{language}-queries" / file, [{id: f"{split}1", "text": f"{words}?"}])
            qrels = [{"query-id": f"{split}1", "corpus-id": "7#0", "score": 1}]
            write_parquet(folder / f"{language}-qrels" / file, qrels)
    configs = [f"{language}-{kind}" for language in LANGUAGES for kind in ("corpus", "qrels", "queries")]
    return card(folder, *((config, split, f"{config}/{split}-*") for config in configs for split in splits))


def cqadupstack(folder: Path) -> Path:
    """The layout of BEIR's zip: a folder for each forum, the same ids in several of them."""
    for forum in ("android", "english", "wordpress"):
        place = folder / "cqadupstack" / forum
        write_jsonl(place / "corpus.jsonl", [
            {"_id": "51829", "title": f"Title in {forum}", "text": f"Text in {forum}", "metadata": {"tags": [forum]}},
            {"_id": "2", "title": "Another", "text": "More", "metadata": {"tags": []}},
        ])  # fmt: skip
        write_jsonl(place / "queries.jsonl", [{"_id": "11546", "text": f"Asked in {forum}", "metadata": {"tags": []}}])
        write(place / "qrels/test.tsv", "query-id\tcorpus-id\tscore\n11546\t51829\t1\n")
    return folder


def mteb_parquet(folder: Path) -> Path:
    write_parquet(folder / "corpus/test-00000-of-00001.parquet", MTEB_CORPUS)
    write_parquet(folder / "queries/test-00000-of-00001.parquet", MTEB_QUERIES)
    write_parquet(folder / "qrels/test-00000-of-00001.parquet", MTEB_QRELS)
    return card(folder, *((name, "test", f"{name}/test-*") for name in ("corpus", "queries", "qrels")))


NQ = {
    "corpus.jsonl": [
        {"_id": "doc0", "title": "Minority interest", "text": "In accounting, minority interest is…", "metadata": {}},
        {"_id": "doc42", "title": "Minority interest", "text": "It is also possible…", "metadata": {}},
    ],
    "queries.jsonl": [{"_id": "test0", "text": "what is non controlling interest on balance sheet", "metadata": {}}],
}


def nq(folder: Path) -> Path:
    for name, rows in NQ.items():
        write_jsonl(folder / "nq" / name, rows)
    write(folder / "nq/qrels/test.tsv", "query-id\tcorpus-id\tscore\ntest0\tdoc0\t1\ntest0\tdoc42\t1\n")
    return folder
