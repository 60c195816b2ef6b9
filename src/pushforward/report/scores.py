"""The figures of `metrics.json`, and what each of them means."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Meaning", "Score", "meaning", "number", "scores"]

_FLOOR = "_floor"


class Meaning(NamedTuple):
    """What a metric is called, which way is better ("lower", "higher", or "" when neither is), what it measures."""

    title: str
    better: str
    text: str


_MEANINGS = {
    "alignment": Meaning("Alignment", "lower", "How far elements of a layout are from lines that others keep to."),
    "bigram_distance": Meaning(
        "Bigram distance", "lower", "How much the shares of all pairs of neighbours differ from those of real rows."
    ),
    "bits_per_dim": Meaning("Bits per dimension", "lower", "Code length of held-out data under the model, per value."),
    "c2st": Meaning(
        "Classifier two-sample test",
        "lower",
        "How often a classifier tells generated from real samples; 0.5 is as good as tossing a coin.",
    ),
    "class_accuracy": Meaning(
        "Class accuracy",
        "higher",
        "Share of generated samples that a classifier of real data puts into the class that was asked for.",
    ),
    "copies": Meaning(
        "Copies", "lower", "Share of generated samples closer to a training row than held-out data nearly ever are."
    ),
    "coverage": Meaning("Coverage", "higher", "Share of real samples with a generated one in their neighbourhood."),
    "curvature": Meaning("Curvature", "lower", "How far trajectories are from straight lines; 0 is straight."),
    "density": Meaning(
        "Density", "higher", "How many neighbourhoods of real samples a generated one lies in; about 1 for equal laws."
    ),
    "energy_distance": Meaning(
        "Energy distance", "lower", "Distances between generated and real samples, less those within each set."
    ),
    "frechet": Meaning(
        "Fréchet distance",
        "lower",
        "Distance between normal laws fitted to generated and real samples, or their features.",
    ),
    "graph_mmd": Meaning(
        "Graph discrepancy", "lower", "Squared distance between the laws of a statistic of graphs, as a kernel sees it."
    ),
    "internal_diversity": Meaning(
        "Internal diversity", "", "How unlike each other molecules are, by their fragments; compare with real ones."
    ),
    "kmer_distance": Meaning(
        "k-mer distance", "lower", "How much the shares of all words of k letters differ between generated and real."
    ),
    "mmd": Meaning(
        "Maximum mean discrepancy",
        "lower",
        "Squared distance between the laws as a Gaussian kernel sees it; around 0, even below, for equal laws.",
    ),
    "nats_per_symbol": Meaning(
        "Nats per symbol", "lower", "Code length of held-out rows under the model, by its bound, per symbol."
    ),
    "nats_per_symbol_error": Meaning("Nats per symbol, standard error", "", "How sure the figure of that name is."),
    "nll": Meaning(
        "Negative log-likelihood",
        "lower",
        "Mean of -log p over held-out data under the model, in nats; may be negative.",
    ),
    "novelty": Meaning("Novelty", "", "Share of the distinct valid molecules that were not learned from."),
    "overlap": Meaning(
        "Overlap", "", "Share of an element's area that others of its layout cover; compare with real ones."
    ),
    "path_energy": Meaning(
        "Path energy", "lower", "Mean squared speed along trajectories; optimal transport has least."
    ),
    "perplexity": Meaning(
        "Perplexity", "lower", "Among how many equally likely symbols the model leaves the choice, by its bound."
    ),
    "planar": Meaning("Planar", "higher", "Share of graphs that can be drawn without crossings and hang together."),
    "precision": Meaning("Precision", "higher", "Share of generated samples that lie where real ones are."),
    "property_distance": Meaning(
        "Distance of properties", "lower", "Wasserstein distance between laws of a number that molecules have."
    ),
    "recall": Meaning("Recall", "higher", "Share of real samples that lie where generated ones are."),
    "sliced_wasserstein": Meaning(
        "Sliced Wasserstein distance", "lower", "Wasserstein distance of the shadows on a line, over random directions."
    ),
    "symbol_distance": Meaning(
        "Symbol distance", "lower", "How much the shares of all symbols differ from those of real rows."
    ),
    "table_kl": Meaning("Kullback-Leibler divergence", "lower", "Of the law of samples from a known table, in nats."),
    "table_variation": Meaning(
        "Total variation", "lower", "Largest gap between the chances that two tables give to any event."
    ),
    "table_variation_floor": Meaning(
        "Total variation, floor", "", "What as many draws of the known law itself would show."
    ),
    "trigram_distance": Meaning(
        "Trigram distance", "lower", "How much the shares of all words of three differ from those of real rows."
    ),
    "uniqueness": Meaning("Uniqueness", "higher", "Share of the valid molecules that are no repetition."),
    "validity": Meaning("Validity", "higher", "Share of texts that are molecules."),
    "wasserstein": Meaning(
        "Wasserstein distance", "lower", "How far generated samples must at least be moved to become the real ones."
    ),
}


def meaning(name: str) -> Meaning:
    """What is known about a metric; an unknown one keeps its name and claims nothing.

    Example:
        >>> meaning("copies").better, meaning("my_score").title
        ('lower', 'My score')
    """
    return _MEANINGS.get(name) or Meaning(name.replace("_", " ").capitalize(), "", "")


class Score(NamedTuple):
    """One figure, and what real data reach in the same measurement (None where that was not measured)."""

    name: str
    value: float
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value over floor; None where a ratio says nothing."""
        return self.value / self.floor if self.floor is not None and self.floor > 0 and self.value >= 0 else None


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def scores(metrics: Mapping[str, Any]) -> list[Score]:
    """The numbers of a flat mapping, each with its floor from `<name>_floor`, in the order written.

    Example:
        >>> scores({"wasserstein": 0.3, "wasserstein_floor": 0.2, "solver": "Euler"})[0].ratio.__round__(2)
        1.5
    """
    numbers = {name: float(value) for name, value in metrics.items() if _numeric(value)}
    owned = {name + _FLOOR for name in numbers}
    return [Score(name, value, numbers.get(name + _FLOOR)) for name, value in numbers.items() if name not in owned]


def number(value: float | None) -> str:
    """Four significant digits, whole numbers whole, a dash for what is not there.

    Example:
        >>> number(0.123456), number(20000.0), number(None)
        ('0.1235', '20000', '—')
    """
    if value is None:
        return "—"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"
