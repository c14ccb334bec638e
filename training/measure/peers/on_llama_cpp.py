"""llama.cpp on our weights: writes them as GGUF, then reports under its JSON-schema grammar, several at a time.

Runs in an environment of its own (`make .venv-peers/.done`) and imports nothing of ours, so that a peer's needs are never the product's; `training/measure/peers/comparison.py` starts
it. Owns the GGUF layout, the loop of a batched server on llama.cpp's own calls (its greedy choice is held against the grammar first and all tokens only where that
refuses it, as llama.cpp's own tools do), and the one thing that our bases ask for: a prompt that is read both ways, by `llama_set_causal_attn`. Run:

    .venv-peers/bin/python training/measure/peers/on_llama_cpp.py work.json       # lines of JSON: {"written": n} for each report, at the end {"runs": [...]}
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import llama_cpp as lib
import numpy as np

_FLOATS = {"f32": (gguf.LlamaFileType.ALL_F32, np.float32), "f16": (gguf.LlamaFileType.MOSTLY_F16, np.float16)}
_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
_REFUSED = -1e30
_Token = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)], align=True)


def write_gguf(file: Path, weights: Any, sizes: dict[str, Any], vocab: dict[str, Any], kind: str) -> None:
    """Weights by their names in transformers -> a GGUF file; matrices as ``kind`` (f32 or f16), norms as f32."""
    file_type, dtype = _FLOATS[kind]
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_file_type(file_type)
    writer.add_block_count(sizes["num_layers"])
    writer.add_context_length(sizes["context_length"])
    writer.add_embedding_length(sizes["hidden_size"])
    writer.add_feed_forward_length(sizes["intermediate_size"])
    writer.add_head_count(sizes["num_heads"])
    writer.add_head_count_kv(sizes["num_kv_heads"])
    writer.add_key_length(sizes["head_dim"])
    writer.add_value_length(sizes["head_dim"])
    writer.add_rope_dimension_count(sizes["head_dim"])
    writer.add_layer_norm_rms_eps(sizes["rms_norm_eps"])
    writer.add_rope_freq_base(sizes["rope_theta"])
    writer.add_vocab_size(len(vocab["tokens"]))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocab["tokens"])
    writer.add_token_types([gguf.TokenType.CONTROL if special else gguf.TokenType.NORMAL for special in vocab["special"]])
    writer.add_token_merges(vocab["merges"])
    writer.add_eos_token_id(vocab["eos_id"])
    for name in weights.files:
        array = weights[name]
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            array = _interleaved(array, sizes["head_dim"])
        writer.add_tensor(_renamed(name), np.ascontiguousarray(array, np.float32 if array.ndim == 1 else dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _interleaved(rows: Any, head_dim: int) -> Any:
    """Query and key rows in the order in which llama.cpp rotates them: pairs beside each other, where transformers has halves."""
    return rows.reshape(-1, 2, head_dim // 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def _renamed(name: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, part = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{_NAMES[part]}.weight"


class Server:
    """A model and a context of so many sequences."""

    def __init__(self, file: Path, num_slots: int, work: dict[str, Any]) -> None:
        self.prefix_lm, self.eos_id, self.limit = work["sizes"]["prefix_lm"], work["vocab"]["eos_id"], work["max_new_tokens"]
        lib.llama_log_set(_quiet, ctypes.c_void_p(0))
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(str(file).encode(), lib.llama_model_default_params())
        longest = max(map(len, work["prompts"]))
        params = lib.llama_context_default_params()
        params.n_ctx = num_slots * -(-(longest + self.limit) // 256) * 256
        params.n_batch = params.n_ubatch = max(longest, num_slots)  # a prompt that is read both ways is read in one piece
        params.n_seq_max = num_slots
        params.n_threads = params.n_threads_batch = work["threads"]
        self.context = lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit("llama.cpp made no context")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.memory = lib.llama_get_memory(self.context)
        self.num_tokens = lib.llama_vocab_n_tokens(self.vocab)
        self.batch = lib.llama_batch_init(params.n_batch, 0, 1)
        self.grammar = work["grammar"].encode() if work["grammar"] else None
        self.num_passes = 0

    def decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """Run (token, position, slot, wants logits) in one pass."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, slot, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, position, 1, slot, wanted
        if lib.llama_decode(self.context, batch):
            raise SystemExit("llama_decode failed")
        self.num_passes += len({slot for _, _, slot, _ in rows})  # as the others count: a pass of each sequence

    def close(self) -> None:
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)

    def prefill(self, slot: int, prompt: list[int]) -> None:
        if self.prefix_lm:
            lib.llama_set_causal_attn(self.context, False)
        self.decode([(token, i, slot, i == len(prompt) - 1) for i, token in enumerate(prompt)])
        if self.prefix_lm:
            lib.llama_set_causal_attn(self.context, True)

    def choice(self, row: int, grammar: Any) -> int:
        """The likeliest token of a row of the last pass, of those that the grammar takes."""
        logits = np.ctypeslib.as_array(lib.llama_get_logits_ith(self.context, row), (self.num_tokens,))
        token = int(logits.argmax())
        if grammar is None:
            return token
        one = np.array([(token, logits[token], 0)], _Token)
        _apply(grammar, one)
        if one["logit"][0] < _REFUSED:
            every = np.zeros(self.num_tokens, _Token)
            every["id"], every["logit"] = np.arange(self.num_tokens), logits
            _apply(grammar, every)
            token = int(every["id"][every["logit"].argmax()])
        lib.llama_sampler_accept(grammar, token)
        return token

    def sampler(self) -> Any:
        if self.grammar is None:
            return None
        grammar = lib.llama_sampler_init_grammar(self.vocab, self.grammar, b"root")
        if not grammar:
            raise SystemExit("llama.cpp does not read its own grammar of the schema")
        return grammar


def _apply(grammar: Any, tokens: Any) -> None:
    data = tokens.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
    lib.llama_sampler_apply(grammar, ctypes.byref(lib.llama_token_data_array(data=data, size=len(tokens), selected=-1, sorted=False)))


def _log(level: int, text: bytes, user_data: Any) -> None:
    if level >= 4:  # an error
        sys.stderr.write(text.decode(errors="replace"))


_quiet = lib.llama_log_callback(_log)


def run(server: Server, prompts: list[list[int]], num_in_flight: int) -> Iterator[dict[str, Any]]:
    """The reports of the prompts, so many at a time; what each took."""
    waiting = list(enumerate(prompts))
    active: dict[int, tuple[int, list[int], list[int], Any, float]] = {}
    while waiting or active:
        began = time.perf_counter()  # all that are handed in now wait for each other's prompts
        for slot in range(num_in_flight):
            if slot not in active and waiting:
                number, prompt = waiting.pop(0)
                server.prefill(slot, prompt)
                grammar = server.sampler()
                active[slot] = (number, prompt, [server.choice(-1, grammar)], grammar, began)
        for slot in [slot for slot, (_, _, ids, *_) in active.items() if ids[-1] == server.eos_id or len(ids) >= server.limit]:
            number, _, ids, grammar, handed_in = active.pop(slot)
            lib.llama_memory_seq_rm(server.memory, slot, -1, -1)
            if grammar is not None:
                lib.llama_sampler_free(grammar)
            yield {"number": number, "ids": ids[:-1] if ids[-1] == server.eos_id else ids, "ended": ids[-1] == server.eos_id, "seconds": time.perf_counter() - handed_in}
        if active:
            server.decode([(ids[-1], len(prompt) + len(ids) - 1, slot, True) for slot, (_, prompt, ids, *_) in active.items()])
            for row, (_, _, ids, grammar, _) in enumerate(active.values()):
                ids.append(server.choice(row, grammar))


def peak_bytes() -> int:
    """The most memory this process ever had resident. Not getrusage's figure, which begins with what the parent had."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def convert(file: Path) -> None:
    """The GGUF file of some work, beside it."""
    work = json.loads(file.read_text("utf-8"))
    write_gguf(file.with_suffix(".gguf"), np.load(work["weights"]), work["sizes"], work["vocab"], work["kind"])


def main(file: Path) -> None:
    work, model = json.loads(file.read_text("utf-8")), file.with_suffix(".gguf")
    subprocess.run([sys.executable, __file__, str(file), "convert"], check=True)  # in a process of its own, so that its memory is not counted
    if work["schema"]:
        work["grammar"] = lib.LlamaGrammar.from_json_schema(work["schema"], verbose=False)._grammar
    runs = []
    for num_in_flight in work["in_flight"]:
        server = Server(model, num_in_flight, work)
        for warm in run(server, work["prompts"][: work["warm_up"]], min(num_in_flight, work["warm_up"])):
            print(json.dumps({"written": warm["number"]}), flush=True)
        server.num_passes, began, written = 0, time.perf_counter(), []
        for report in run(server, work["prompts"], num_in_flight):
            written.append(report)
            print(json.dumps({"written": report["number"]}), flush=True)
        server.close()
        runs.append({"num_in_flight": num_in_flight, "elapsed_s": time.perf_counter() - began, "num_passes": server.num_passes, "reports": sorted(written, key=lambda one: one["number"])})
    print(json.dumps({"runs": runs, "peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    (convert if sys.argv[2:] == ["convert"] else main)(Path(sys.argv[1]))
