"""Search and fit: the product's own train function, with parameters chosen on the last part of the training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headwater.declare import LOWER_IS_BETTER, Choice, Integers, Model, resolve
from headwater.training.dataset import Rows, split_for_search
from headwater.training.errors import FitFailed
from headwater.training.judging import measure
from headwater.training.on_demand import with_on_demand

Parameters = Mapping[str, str | int | float | bool]
Progress = Callable[[str, Mapping[str, Any]], None]


def fit(model: Model, parameters: Parameters, columns: Any, label: Any) -> Any:
    """Call the product's train function with the columns and what is made of them on demand.

    Raises
    ------
    FitFailed
        It raised, or its answer can't predict.
    """
    train = resolve(model.train)
    try:
        pipeline = train(dict(parameters), with_on_demand(model, columns), label)
    except Exception as error:
        said = " ".join(str(error).split())[:500]
        raise FitFailed(f"{model.train} failed with {dict(parameters)}: {type(error).__name__}: {said}") from error
    wanted = "predict_proba" if model.task == "classification" else "predict"
    if not hasattr(pipeline, wanted):
        raise FitFailed(f"{model.train} gave {type(pipeline).__name__}, which has no {wanted}")
    return pipeline


def predict(model: Model, pipeline: Any, columns: Any) -> Any:
    """The positive class's probability, or the value, for each row."""
    columns = with_on_demand(model, columns)
    return pipeline.predict_proba(columns)[:, 1] if model.task == "classification" else pipeline.predict(columns)


def search(model: Model, rows: Rows, progress: Progress) -> dict[str, Any]:
    """The parameters that do best on the last part of the training rows, by the first gate's metric.

    Seeded: the same rows give the same parameters. Tree-structured Parzen estimator (Bergstra et al., 2011), by Optuna.
    """
    if not model.search.space:
        return {}
    # Imported here: only a model with a search space pays for it.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    metric = model.gates[0].metric
    earlier, later = split_for_search(rows)
    lower = metric in LOWER_IS_BETTER

    def objective(trial: optuna.Trial) -> float:
        parameters = {name: _suggest(trial, name, kind) for name, kind in model.search.space.items()}
        pipeline = fit(model, parameters, earlier.columns, earlier.label)
        value = measure(model.task, later.label, predict(model, pipeline, later.columns)).get(metric)
        progress("trial", {"number": trial.number, metric: value, "parameters": parameters})
        return value if value is not None else (1e300 if lower else -1e300)

    study = optuna.create_study(
        direction="minimize" if lower else "maximize", sampler=optuna.samplers.TPESampler(seed=model.search.seed)
    )
    study.optimize(objective, n_trials=model.search.trials)
    return dict(study.best_params)


def _suggest(trial: Any, name: str, kind: Any) -> Any:
    if isinstance(kind, Choice):
        return trial.suggest_categorical(name, list(kind.values))
    if isinstance(kind, Integers):
        return trial.suggest_int(name, kind.low, kind.high, log=kind.log)
    return trial.suggest_float(name, kind.low, kind.high, log=kind.log)
