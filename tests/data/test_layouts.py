"""Every public layout, read from small files that are laid out as the published ones are."""

import json

import pytest

from tests.helpers import published as p
from workbook import data
from workbook.data import Problems
from workbook.data.problems import MalformedFile
from workbook.data.public.hub import from_datasets
from workbook.data.readers import codesearchnet, msmarco, mteb, sts
from workbook.data.toy import SimilarityPair

# --- MS MARCO -------------------------------------------------------------------------------------


def test_msmarco(tmp_path):
    docs = data.load(p.msmarco(tmp_path), strict=True)
    assert docs.corpus["1"] == 'The "Manhattan Project" said: don\u00e2\u0080\u0099t. It is 5\'10" tall.'
    assert list(docs.corpus) == ["0", "1", "2", "3"]
    assert docs.queries["1048578"] == "cost of endless pools/swim spa"
    assert len(docs.queries) == 8  # those of dev.small and eval.small stand in the larger files, too
    assert docs.qrels["634306"] == {"1": 1, "2": 1}
    assert docs.splits == {
        "dev": ("1048578", "1048579"),
        "dev.small": ("1048578",),
        "train": ("121352", "634306"),
        "trec-dl-2019": ("19335",),
        "trec-dl-2020": ("1030303",),
    }


def test_trec_deep_learning_has_four_columns_and_grades_from_0_to_3(tmp_path):
    docs = data.load(p.msmarco(tmp_path)).split("trec-dl-2019")
    assert docs.qrels == {"19335": {"1": 0, "3": 2, "0": 3}}
    assert len(docs.corpus) == 4


def test_msmarco_gzipped_in_a_folder_below_gives_the_same(tmp_path):
    plain = data.load(p.msmarco(tmp_path / "plain"))
    for name, content in p.MSMARCO.items():
        p.write(tmp_path / "packed/collectionandqueries" / f"{name.removesuffix('.gz')}.gz", content)
    packed = data.load(tmp_path / "packed")
    assert (packed.corpus, packed.queries, packed.qrels, packed.splits) == (
        plain.corpus, plain.queries, plain.qrels, plain.splits,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("collection.tsv", "0\tone\n1 two\n", "collection.tsv, line 2: expected id and text, separated by tabs, got '1 two'"),
        ("collection.tsv", "0\tone\n0\ttwo\n", "collection.tsv, line 2: expected each _id once, got '0' again"),
        ("collection.tsv", "0\tone\n1\t\n", "collection.tsv, line 2: expected id and text"),
        ("collection.tsv", "0\tone\n1\ttwo, but the copy broke o", "collection.tsv, line 2: expected a newline at the end"),
        ("collection.tsv", b"0\tone\n1\tcaf\xe9\n", "collection.tsv, line 2: expected text in UTF-8, got the byte 0xe9"),
        ("qrels.train.tsv", "121352\t0\t0\t1\n121352\t0\t1\n", "qrels.train.tsv, line 2: expected query id, (0 or Q0,) passage id and a whole"),
        ("qrels.train.tsv", "121352\t0\t0\t1.5\n", "qrels.train.tsv, line 1: expected query id, (0 or Q0,)"),
        ("qrels.train.tsv", "121352\t0\t99\t1\n", "qrels.train.tsv, line 1: expected a passage id of collection.tsv, got '99'"),
        ("2019qrels-pass.txt", "19335 Q0 1 0\n19335 Q0 1 2\n", "2019qrels-pass.txt, line 2: expected each judgement once"),
    ],
)  # fmt: skip
def test_a_broken_line_of_msmarco_is_named_or_skipped_and_counted(tmp_path, name, content, message):
    folder = p.msmarco(tmp_path, **{name: content})
    with pytest.raises(MalformedFile) as error:
        data.load(folder, strict=True)
    assert str(error.value).startswith(message)
    with pytest.warns(UserWarning, match="dropped"):
        docs = data.load(folder)
    assert message in str(docs.problems)
    assert "0" in docs.corpus


@pytest.mark.parametrize("name", ["collection.tsv", "collection.tsv.gz", "queries.train.tsv", "queries.dev.tsv.gz"])
@pytest.mark.parametrize(
    "header", ["pid\tpassage", "id\ttext", "_id\tcontents", "Passage ID\tPassage Text", "query_id\tquery", "qid\tText",
               "DocNo\tdocument", "doc-id\tBody", "\ufeffid\ttext"],
)  # fmt: skip
def test_a_header_of_msmarcos_texts_is_reported_and_never_a_text(tmp_path, name, header):
    folder = p.msmarco(tmp_path)
    plain = data.load(folder)
    content = p.MSMARCO[name.removesuffix(".gz")]
    (folder / name.removesuffix(".gz")).unlink()
    p.write(folder / name, f"{header}\r\n{content}")
    with pytest.warns(UserWarning, match=rf"{name}, line 1: expected id and text from the first line on"):
        docs = data.load(folder)
    assert docs.problems.counts == {"header": 1}
    assert (docs.corpus, docs.queries, docs.qrels, docs.splits) == (
        plain.corpus, plain.queries, plain.qrels, plain.splits,
    )  # fmt: skip


@pytest.mark.parametrize("line", ["0\ttext", "id7\ttext", "id\tthe text of the first passage", "query\ttext", "\tid"])
def test_a_first_text_that_is_no_header_stays(tmp_path, line):
    assert not msmarco.is_header(*line.split("\t"))


def test_judgements_of_msmarco_may_have_a_header_and_floating_grades(tmp_path):
    folder = p.msmarco(tmp_path, **{"qrels.dev.small.tsv": "query_id Q0 doc_id rel\n1048578 0 3 1.0\n"})
    assert data.load(folder, strict=True).split("dev.small").qrels == {"1048578": {"3": 1}}


def test_a_split_that_contradicts_another_is_reported(tmp_path):
    folder = p.msmarco(tmp_path, **{"qrels.dev.small.tsv": "1048578\t0\t3\t0\n"})
    with pytest.raises(
        MalformedFile, match=r"qrels.dev.tsv, line 1: expected the grade 0 that another|dev.small.tsv, line 1"
    ):
        data.load(folder, strict=True)


@pytest.mark.parametrize("missing", ["collection.tsv", "queries"])
def test_what_is_missing_of_msmarco_is_named(tmp_path, missing):
    p.msmarco(tmp_path)
    for path in list(tmp_path.iterdir()):
        if missing in path.name:
            path.unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        msmarco.read_msmarco(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_triples(tmp_path, ending):
    path = p.write(tmp_path / f"qidpidtriples.train.full.2.tsv{ending}", p.TRIPLES)
    assert list(msmarco.read_triples(path, Problems(strict=True))) == [
        ("121352", "0", "3"), ("634306", "1", "0"), ("634306", "2", "3"),
    ]  # fmt: skip


def test_broken_triples_are_skipped_and_counted(tmp_path):
    path = p.write(tmp_path / "triples.tsv", p.TRIPLES + "1\t2\n1\t2\t2\n1\t\t2\n1\t2\t3")
    problems = Problems()
    assert len(list(msmarco.read_triples(path, problems))) == 3
    assert problems.counts == {
        "wrong number of fields": 1, "negative is the positive": 1, "no id": 1, "cut-off end": 1,
    }  # fmt: skip


def test_hard_negatives_in_both_editions(tmp_path):
    first = {"qid": "7", "pos": ["1"], "neg": {"bm25": [{"pid": "5", "score": 1.5, "ce-score": -9.1}]}}
    path = p.write_jsonl(tmp_path / "msmarco-hard-negatives.jsonl.gz", [*p.HARD_NEGATIVES, first])
    found = list(msmarco.read_hard_negatives(path, Problems(strict=True)))
    assert found[0] == msmarco.HardNegatives(
        "121352", ["0"], {"bm25": ["3", "2"], "msmarco-distilbert-base-tas-b": ["1"]}
    )
    assert found[2] == msmarco.HardNegatives("7", ["1"], {"bm25": ["5"]})
    problems = Problems()
    broken = [
        {"qid": 1},
        {"qid": 1, "pos": 3, "neg": {}},
        {"qid": 1, "pos": [2.5], "neg": {}},
        {"qid": 1, "pos": [], "neg": []},
    ]
    assert list(msmarco.read_hard_negatives(p.write_jsonl(tmp_path / "broken.jsonl", broken), problems)) == []
    assert problems.counts == {"no hard negatives": 4}


def test_the_rows_of_microsoft_ms_marco(tmp_path):
    docs = data.load(p.msmarco_rows(tmp_path), strict=True)
    assert sorted(docs.corpus.values()) == [
        "A shared passage.", "Another.", "Seen in test only.", "The average Walgreens salary is $15,000.",
    ]  # fmt: skip
    assert docs.splits == {"test": (), "train": ("1185869",), "validation": ("9652",)}
    assert docs.pairs("validation") == [("walgreens store sales average", "Another.")]
    assert docs.pairs("train")[0][1] == "The average Walgreens salary is $15,000."


def test_sentence_transformers_copy_of_the_corpus_with_its_own_column_names(tmp_path):
    p.write_parquet(tmp_path / "passage/train-00000-of-00002.parquet", [{"pid": 0, "text": "zero"}])
    p.write_parquet(tmp_path / "passage/train-00001-of-00002.parquet", [{"pid": 1, "text": "one"}])
    p.write_parquet(
        tmp_path / "queries/train-00000-of-00001.parquet", [{"qid": 571018, "text": "what are the liberal arts?"}]
    )
    p.write(tmp_path / "qrels/dev.tsv", "query-id\tcorpus-id\tscore\n571018\t1\t1\n")
    docs = data.load(tmp_path, strict=True)
    assert docs.corpus == {"0": "zero", "1": "one"}
    assert docs.pairs("dev") == [("what are the liberal arts?", "one")]


# --- SQuAD ------------------------------------------------------------------------------------------


def test_squad_is_a_question_and_its_paragraph(tmp_path):
    p.write(tmp_path / "train-v1.1.json", json.dumps(p.SQUAD_TRAIN))
    p.write(tmp_path / "dev-v1.1.json", json.dumps(p.SQUAD_DEV))
    docs = data.load(tmp_path, strict=True)
    assert docs.corpus == {
        "Super_Bowl_50#0": "Super Bowl 50\nSuper Bowl 50 was an American football game.",
        "University_of_Notre_Dame#0": "University of Notre Dame\nArchitecturally, the school has a Catholic character.",
        "University_of_Notre_Dame#1": "University of Notre Dame\nAs at most other universities, students run media outlets.",
    }
    assert docs.queries["5733be284776f4190066117f"] == "What is in front of the Notre Dame Main Building?"
    assert docs.qrels["5733bf84d058e614000b61be"] == {"University_of_Notre_Dame#1": 1}
    assert {split: len(ids) for split, ids in docs.splits.items()} == {"dev": 1, "train": 3}


def test_a_squad_paragraph_that_stands_twice_is_one_passage(tmp_path):
    twice = json.loads(json.dumps(p.SQUAD_DEV))
    again = json.loads(json.dumps(twice["data"][0]["paragraphs"][0]))
    again["qas"][0]["id"] = "other"
    twice["data"][0]["paragraphs"].append(again)
    p.write(tmp_path / "dev-v1.1.json", json.dumps(twice))
    docs = data.load(tmp_path, strict=True)
    assert list(docs.corpus) == ["Super_Bowl_50#0"]
    assert docs.qrels["other"] == {"Super_Bowl_50#0": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:-20], "dev-v1.1.json, line 1: expected JSON at column"),
        (lambda s: s.replace('"context"', '"content"'), 'dev-v1.1.json, paragraph 1: expected a "context"'),
        (lambda s: s.replace('"question"', '"q"'), 'dev-v1.1.json, paragraph 1: expected "id" and "question"'),
        (lambda s: s.replace('"data"', '"date"'), "dev-v1.1.json, line 1: expected a .json file"),
    ],
)
def test_broken_squad_is_named(tmp_path, change, message):
    p.write(tmp_path / "dev-v1.1.json", change(json.dumps(p.SQUAD_DEV)))
    with pytest.raises(MalformedFile) as error:
        data.load(tmp_path, strict=True)
    assert str(error.value).startswith(message)


# --- STS Benchmark ----------------------------------------------------------------------------------


def test_the_original_sts_files_are_tab_separated_with_quotes_as_text(tmp_path):
    p.write(tmp_path / "sts-train.csv", p.STS_TRAIN)
    p.write(tmp_path / "sts-dev.csv", p.STS_TEST)
    p.write(tmp_path / "sts-test.csv", p.STS_TEST)
    pairs = data.load(tmp_path, strict=True)
    assert pairs.splits["train"] == [
        SimilarityPair("A plane is taking off.", "An air plane is taking off.", 5.0),
        SimilarityPair('"Quoted" at the start', 'An "inch is 1', 3.8),
        SimilarityPair("first", "second", 0.0),  # the two fields after it are its licence
    ]
    assert {split: len(found) for split, found in pairs.splits.items()} == {"dev": 1, "test": 1, "train": 3}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sts-test.csv", p.STS_TEST),
        ("stsbenchmark.tsv.gz", p.STS_HEADER.split("\n")[0] + "\ntest\t" + p.STS_TEST),
        ("stsb-en-test.csv", "A girl is styling her hair.,A girl is brushing her hair.,2.5\n"),
        ("test.jsonl", json.dumps(p.STS_ROWS[0]) + "\n"),
        ("test.jsonl.gz", json.dumps({k: v for k, v in p.STS_ROWS[0].items() if k != "split"}) + "\n"),
    ],
)
def test_every_form_of_sts_gives_the_same_pairs(tmp_path, name, content):
    pairs = data.load(p.write(tmp_path / name, content), strict=True)
    assert pairs.splits == {
        "test": [SimilarityPair("A girl is styling her hair.", "A girl is brushing her hair.", 2.5)]
    }


def test_sts_in_parquet_and_scores_from_0_to_1(tmp_path):
    rows = [{"sentence1": "a", "sentence2": "b", "score": 0.5}, {"sentence1": "c", "sentence2": "d", "score": 1.0}]
    pairs = data.load(p.write_parquet(tmp_path / "validation-00000-of-00001.parquet", rows), strict=True)
    assert pairs.splits == {"dev": [SimilarityPair("a", "b", 2.5), SimilarityPair("c", "d", 5.0)]}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("main\tMSRvid\t2012\t1\t5.1\ta\tb\n", "no score"),
        ("main\tMSRvid\t2012\t1\tnan\ta\tb\n", "no score"),
        ("main\tMSRvid\t2012\t1\thigh\ta\tb\n", "no score"),
        ("main\tMSRvid\t2012\t1\t2\ta\t \n", "empty sentence"),
        ("main\tMSRvid\t2012\t1\t2\ta\n", "wrong number of fields"),
    ],
)
def test_broken_sts_is_counted_and_strict_names_the_line(tmp_path, line, kind):
    path = p.write(tmp_path / "sts-train.csv", p.STS_TRAIN + line)
    with pytest.warns(UserWarning, match=kind):
        pairs = data.load(path)
    assert len(pairs.splits["train"]) == 3
    assert pairs.problems.counts == {kind: 1}
    with pytest.raises(MalformedFile, match=r"sts-train.csv, line 4"):
        data.load(path, strict=True)


def test_the_split_that_a_name_says():
    from pathlib import Path

    names = ["sts-train.csv", "stsb-en-dev.csv", "test-00000-of-00001.parquet", "validation.jsonl", "stsb-en.tsv"]
    assert [sts.split_of(Path(name)) for name in names] == ["train", "dev", "test", "validation", "stsb-en"]


# --- CodeSearchNet ----------------------------------------------------------------------------------


def test_codesearchnet_finds_the_code_without_its_docstring(tmp_path):
    docs = data.load(p.codesearchnet(tmp_path), strict=True)
    assert docs.corpus["https://github.com/owner/repo/mul"] == "def add ( a , b ) : return a + b"
    assert docs.queries["https://github.com/owner/repo/mul"] == "Add two numbers."
    assert {split: len(ids) for split, ids in docs.splits.items()} == {"test": 1, "train": 1, "valid": 1}
    assert docs.split("test").pairs("test") == [("Add two numbers.", "def add ( a , b ) : return a + b")]


def test_codesearchnet_with_docstrings_is_the_code_as_it_was(tmp_path):
    reading = codesearchnet.read_codesearchnet(p.codesearchnet(tmp_path), docstrings=True)
    assert {text for _, _, _, text in reading.passages(Problems(strict=True))} == {p.CODE}


@pytest.mark.parametrize(
    "converted", ["train-00000-of-00001.parquet", "train/0000.parquet", "partial-train/0000.parquet"]
)
def test_codesearchnet_in_hugging_faces_form_is_the_same(tmp_path, converted):
    p.write_jsonl(tmp_path / "a/python_train_0.jsonl.gz", [p.CODE_ROW])
    p.write_parquet(tmp_path / "b/python" / converted, [p.CODE_ROW_HF])
    original, copy = data.load(tmp_path / "a", strict=True), data.load(tmp_path / "b", strict=True)
    assert (original.corpus, original.queries, original.qrels) == (copy.corpus, copy.queries, copy.qrels)
    assert original.splits == copy.splits == {"train": (p.CODE_ROW["url"],)}


def test_a_function_that_stands_twice_or_says_nothing_is_counted(tmp_path):
    rows = [p.CODE_ROW, p.CODE_ROW, p.CODE_ROW | {"docstring": "", "url": "u"}]
    p.write_jsonl(tmp_path / "python_test_0.jsonl.gz", rows)
    with pytest.warns(UserWarning, match="2 lines dropped"):
        docs = data.load(tmp_path)
    assert docs.problems.counts == {"repeated id": 1, "no code or docstring": 1}
    assert len(docs.corpus) == len(docs.queries) == 1


# --- Hugging Face's layout, MTEB, Natural Questions ----------------------------------------------


def test_mteb_as_parquet(tmp_path):
    docs = data.load(p.mteb_parquet(tmp_path), strict=True)
    assert docs.corpus == {
        "4983": "Microstructural development\nAlterations of the architecture.",
        "5836": "Myelodysplastic syndromes.",
    }
    assert docs.qrels == {"1": {"4983": 1, "5836": 0}}
    assert docs.splits == {"test": ("1",)}


@pytest.mark.parametrize(
    "qrels", ["qrels/test.jsonl", "data/test-00000-of-00001.parquet", "default/test-00000-of-00001.parquet"]
)
def test_mteb_as_json_lines_with_judgements_where_its_repositories_have_them(tmp_path, qrels):
    p.write_jsonl(tmp_path / "corpus.jsonl", p.MTEB_CORPUS)
    p.write_jsonl(tmp_path / "queries.jsonl", p.MTEB_QUERIES)
    (p.write_jsonl if qrels.endswith("jsonl") else p.write_parquet)(tmp_path / qrels, p.MTEB_QRELS)
    docs = data.load(tmp_path, strict=True)
    assert docs.qrels == {"1": {"4983": 1, "5836": 0}}
    assert docs.splits == {"test": ("1",)}


def test_judgements_that_stand_there_in_two_forms_are_read_once(tmp_path):
    folder = p.mteb_jsonl(tmp_path)
    assert data.load(folder, strict=True).qrels == {"1": {"4983": 1, "5836": 0}}
    assert mteb.read_hugging_face(folder).judgements.keys() == {"test"}
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    assert mteb.choose(paths, (), "mteb/scifact") == {
        "corpus": ["corpus.jsonl"], "queries": ["queries.jsonl"], "qrels": ["qrels/test.jsonl"],
    }  # fmt: skip


@pytest.mark.parametrize("id", ["_id", "id"])
def test_a_language_is_chosen_at_the_end_of_the_name(tmp_path, id):
    folder = p.mteb_languages(tmp_path / "MIRACLRetrieval", id=id)
    docs = data.load(folder / "de", strict=True)
    assert docs.name == "MIRACLRetrieval/de"
    assert docs.corpus == {"7#0": "de\nwas ist 0", "7#1": "de\nwas ist 1", "7#2": "de\nwas ist 2"}
    assert (docs.queries, docs.qrels, docs.splits) == ({"dev1": "was ist?"}, {"dev1": {"7#0": 1}}, {"dev": ("dev1",)})
    assert data.load(f"{folder}/ar", strict=True).queries == {"dev1": "ما هو?"}


def test_a_corpus_that_stands_there_for_each_split_is_one_corpus(tmp_path):
    folder = p.mteb_languages(tmp_path / "MultiLongDocRetrieval", ("dev", "test", "train"), "id")
    docs = data.load(folder / "en", strict=True)
    assert list(docs.corpus) == ["7#0", "7#1", "7#2"]
    assert docs.splits == {"dev": ("dev1",), "test": ("test1",), "train": ("train1",)}
    test = data.load(folder / "en" / "test", strict=True)
    assert (list(test.corpus), list(test.queries), test.splits) == (list(docs.corpus), ["test1"], {"test": ("test1",)})


def test_an_id_that_is_another_passage_in_another_split_is_never_merged(tmp_path):
    folder = p.mteb_languages(tmp_path / "Task", ("dev", "test"))
    other = [{"_id": "7#0", "text": "something else", "title": ""}, {"_id": "9", "text": "nine", "title": ""}]
    p.write_parquet(folder / "de-corpus/test-00000-of-00001.parquet", other)
    with pytest.raises(ValueError, match=r"test-.*row 1: the id '7#0' stands for another text .* add /dev or /test"):
        data.load(folder / "de")
    assert data.load(folder / "de/test", strict=True).corpus == {"7#0": "something else", "9": "nine"}
    assert data.load(folder / "de/dev", strict=True).corpus["7#0"] == "de\nwas ist 0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", r"Task holds a collection for each of ar, de, en, and one must be named: \S+Task/ar"),
        ("fr", "Task holds a collection for each of ar, de, en, none for 'fr', and one must be named"),
        ("de/test", "Task holds no test; the splits are dev"),
    ],
)
def test_a_language_or_split_that_is_not_there_is_said_with_those_that_are(tmp_path, name, message):
    folder = p.mteb_languages(tmp_path / "Task")
    with pytest.raises(FileNotFoundError, match=message):
        data.load(folder / name)


def test_folders_that_only_look_like_languages_are_none(tmp_path):
    p.write(tmp_path / "my-corpus/notes.txt", "mine")
    with pytest.raises(FileNotFoundError, match=r"no such folder or file: \S+my$"):
        data.load(tmp_path / "my")
    assert mteb.languages_of({"my-corpus", "de-queries", "en-corpus", "en-queries", "corpus", "queries"}) == ["en"]


def test_a_folder_with_a_collection_for_each_forum_names_them(tmp_path):
    folder = p.cqadupstack(tmp_path) / "cqadupstack"
    with pytest.raises(
        FileNotFoundError, match=r"holds the collections android, english, wordpress; load one of them: "
    ):
        data.load(folder)
    docs = data.load(folder / "english", strict=True)
    assert docs.pairs("test") == [("Asked in english", "Title in english\nText in english")]


@pytest.mark.parametrize("score", [0.5, None, float("nan"), float("inf"), "high"])
def test_a_judgement_without_a_whole_score_is_named_by_its_row(tmp_path, score):
    p.mteb_parquet(tmp_path)
    rows = [{"query-id": "1", "corpus-id": "4983", "score": score}]
    p.write_parquet(tmp_path / "qrels/test-00000-of-00001.parquet", rows)
    with pytest.raises(
        MalformedFile, match=r"test-00000-of-00001.parquet, row 1: expected query-id, corpus-id and a whole"
    ):
        data.load(tmp_path, strict=True)


def test_a_parquet_file_that_is_cut_off_is_named(tmp_path):
    path = p.mteb_parquet(tmp_path) / "corpus/test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(MalformedFile, match=r"parquet, row 1: expected a whole Parquet file"):
        data.load(tmp_path, strict=True)


def test_natural_questions(tmp_path):
    docs = data.load(p.nq(tmp_path), strict=True)
    assert docs.corpus["doc0"] == "Minority interest\nIn accounting, minority interest is…"
    assert docs.qrels == {"test0": {"doc0": 1, "doc42": 1}}


def test_data_sets_of_the_library_in_memory():
    from datasets import Dataset, DatasetDict

    corpus, queries = Dataset.from_list(p.MTEB_CORPUS), Dataset.from_list(p.MTEB_QUERIES)
    docs = from_datasets(corpus, queries, DatasetDict(dev=Dataset.from_list(p.MTEB_QRELS)), "mine", "CC0", strict=True)
    assert docs.qrels == {"1": {"4983": 1, "5836": 0}}
    assert (docs.name, docs.licence, docs.splits) == ("mine", "CC0", {"dev": ("1",)})
    assert from_datasets(corpus, queries, Dataset.from_list(p.MTEB_QRELS)).splits == {"test": ("1",)}
    with pytest.raises(MalformedFile, match="mine corpus, line 1: expected an"):
        from_datasets([{"title": "no id"}], queries, p.MTEB_QRELS, "mine", strict=True)


# --- whatever it is ---------------------------------------------------------------------------------


def test_a_folder_in_no_layout_says_what_it_holds_and_what_would_do(tmp_path):
    p.write(tmp_path / "notes.pdf", "hello")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(FileNotFoundError) as error:
        data.load(tmp_path)
    assert "It holds notes.pdf, pictures/. Expected one of:" in str(error.value)
    for layout in (
        "BEIR, Hugging Face: corpus.jsonl",
        "MS MARCO: collection.tsv",
        "SQuAD",
        "CodeSearchNet",
        "your own",
    ):
        assert layout in str(error.value)


def test_an_empty_folder_holds_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="It holds nothing"):
        data.load(tmp_path)


@pytest.mark.parametrize("make", [p.msmarco, p.codesearchnet, p.mteb_parquet, p.nq])
def test_stored_on_the_disk_it_is_the_same_collection(tmp_path, make):
    folder = make(tmp_path / "from")
    inside, outside = data.load(folder), data.load(folder, store=tmp_path / "to")
    assert type(outside.corpus).__name__ == "StoredTexts"
    assert dict(outside.corpus.items()) == inside.corpus
    assert dict(outside.queries.items()) == inside.queries
    assert (outside.qrels, outside.splits) == (inside.qrels, inside.splits)


def test_a_stored_collection_is_loaded_by_its_folder_and_not_overwritten(tmp_path):
    folder = p.msmarco(tmp_path / "from", **{"collection.tsv": p.MSMARCO["collection.tsv"] + "no tab\n"})
    with pytest.warns(UserWarning, match="no tab"):
        stored = data.load(folder, store=tmp_path / "to")
    with pytest.warns(UserWarning, match="no tab"):
        again = data.load(tmp_path / "to")
    assert (dict(again.corpus), again.qrels, again.splits) == (dict(stored.corpus), stored.qrels, stored.splits)
    assert (again.name, again.fingerprint, again.licence) == (stored.name, stored.fingerprint, stored.licence)
    with pytest.raises(FileExistsError, match="holds a finished collection; load it by its path"):
        data.load(folder, store=tmp_path / "to")


def test_a_folder_with_somebody_elses_files_is_not_written_over(tmp_path):
    folder = p.mteb_parquet(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a corpus that was not written here"):
        data.load(folder, store=folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_manifest_of_somebody_else_is_no_stored_collection(tmp_path):
    docs = data.load(p.nq(tmp_path), strict=True)
    for content in ("{broken", "[]", '{"version": 1}'):
        p.write(tmp_path / "manifest.json", content)
        assert data.load(tmp_path, strict=True) == docs


def test_a_damaged_manifest_of_a_stored_collection_is_named(tmp_path):
    data.load(p.nq(tmp_path / "from"), store=tmp_path / "to")
    p.write(tmp_path / "to/manifest.json", "{broken")
    with pytest.raises(ValueError, match=r"manifest.json is damaged .* load again"):
        data.load(tmp_path / "to")


def test_an_id_with_a_tab_is_left_out_of_a_folder_and_says_so(tmp_path):
    p.write_jsonl(tmp_path / "corpus.jsonl", [{"_id": "a\tb", "text": "x"}])
    p.write_jsonl(tmp_path / "queries.jsonl", p.MTEB_QUERIES)
    p.write_jsonl(tmp_path / "qrels/test.jsonl", [{"query-id": "1", "corpus-id": "a\tb", "score": 1}])
    assert data.load(tmp_path, strict=True).qrels == {"1": {"a\tb": 1}}
    with pytest.raises(data.MalformedFile, match=r"corpus\.jsonl, line 1: expected an id on one line"):
        data.load(tmp_path, strict=True, store=tmp_path / "store")
    with pytest.warns(UserWarning, match="id with a tab or line break"):
        stored = data.load(tmp_path, store=tmp_path / "lax")
    assert stored.problems.counts == {"id with a tab or line break": 1, "unknown passage id": 1}


def test_loading_a_folder_writes_nothing_into_it(tmp_path):
    folder = p.msmarco(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    data.load(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
