"""The same adaptation through sentence-transformers' trainer and peft gives the same curve."""

import numpy as np
import pytest
import torch

from tests.encoder.test_text_encoder import TOKENIZER
from tests.train.test_fit import PAIRS
from workbook.adapt.lora import add_lora, lora_state
from workbook.encoder import TextEncoder, load
from workbook.encoder.hugging_face import HuggingFaceBackbone
from workbook.train import bucketed_batches, fit

pytestmark = [pytest.mark.parity, pytest.mark.slow]


@pytest.mark.parametrize("r", [None, 4], ids=["full", "LoRA"])
def test_the_curve_is_that_of_sentence_transformers_and_peft(tmp_path, r):
    from peft import LoraConfig
    from transformers import BertConfig, BertModel

    from benchmarks.models import load_peer

    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    size |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = BertModel(BertConfig(vocab_size=TOKENIZER.get_vocab_size(), max_position_embeddings=40, **size))
    TextEncoder(TOKENIZER, HuggingFaceBackbone(model), max_length=32).save(tmp_path / "start")

    ours, peer = load(tmp_path / "start"), load_peer(tmp_path / "start")
    if r is not None:
        targets = ["query", "value"]
        add_lora(ours, r, alpha=8.0, target_modules=targets)
        peer.add_adapter(LoraConfig(r=r, lora_alpha=8, target_modules=targets))
        theirs = {name.split("encoder.layer")[-1]: p for name, p in peer.named_parameters() if "lora_" in name}
        state = lora_state(ours)
        assert len(theirs) == len(state) == 8
        with torch.no_grad():
            for name, value in state.items():
                theirs[f"{name.split('encoder.layer')[-1]}.default.weight"].copy_(value)
    batches = [b for e in range(4) for b in bucketed_batches(np.zeros(len(PAIRS)), 24, 0, e, pool_batches=1)]
    lr = 5e-2 if r else 1e-3
    history = fit(ours, PAIRS, steps=len(batches), batch_size=24, lr=lr, warmup=0.0, temperature=0.05, pool_batches=1)
    expected = np.array(peer_losses(peer, batches, lr, tmp_path))
    losses = np.array([record["loss"] for record in history])
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert losses[-3:].mean() < 0.97 * losses[:3].mean()  # it is a curve, not a line
    if r is not None:
        for name, value in lora_state(ours).items():
            learned = theirs[f"{name.split('encoder.layer')[-1]}.default.weight"]
            torch.testing.assert_close(value, learned.detach(), rtol=0, atol=1e-3)


def peer_losses(model, batches, lr, folder):
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import PrinterCallback

    from benchmarks.training import Batches, Recorded

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "peer"), num_train_epochs=1, batch_sampler=lambda *_, **__: Batches(batches),
        per_device_train_batch_size=24, learning_rate=lr, lr_scheduler_type="linear", weight_decay=0.01,
        max_grad_norm=1.0, use_cpu=True, dataloader_pin_memory=False, logging_strategy="no", save_strategy="no",
        eval_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    queries, positives = zip(*PAIRS, strict=True)
    data = Dataset.from_dict({"anchor": queries, "positive": positives})
    peer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=Recorded(model))
    peer.remove_callback(PrinterCallback)
    peer.train()
    return peer.loss.losses
