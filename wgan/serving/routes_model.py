"""`GET …/model`, below `/v1` and `/v1/models/NAME`: the served version, its quality and its origin."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from wgan.serving.infer import ALIAS_HEADER, VERSION_HEADER
from wgan.serving.model_choice import chosen
from wgan.serving.models import LoadedModel, ServedModels, choose
from wgan.serving.routes_images import AliasHeader
from wgan.serving.schemas import DataSetFacts, Lineage, MetricValue, ModelFacts, error_responses
from wgan.serving.service import Service


def model_routes(service: Service) -> APIRouter:
    """The route that describes a model, to be mounted below `/v1` and below each model."""
    router = APIRouter(tags=["model"])

    @router.get("/model", responses=error_responses(401, 404, 422, 503), summary="The version that draws")
    async def model(request: Request, response: Response, alias: AliasHeader = None) -> ModelFacts:
        """Name, version, digest, metrics, data set, lineage, loading time. X-WGAN-Alias selects the challenger."""
        models = chosen(request).follower.models
        mode = service.settings.serve_challenger
        found, name = choose(models, alias or models.alias, mode, 0.0, "")
        response.headers[VERSION_HEADER] = str(found.version.version)
        response.headers[ALIAS_HEADER] = name
        most = service.workload.max_count(found.engine.image_shape, service.settings.serve_max_count)
        return model_facts(found, name, models, most, service.workload.most_values)

    return router


def model_facts(model: LoadedModel, alias: str, models: ServedModels, max_count: int, max_values: int) -> ModelFacts:
    """The description of a version."""
    evaluation = model.record.evaluation
    training, dataset = evaluation.training, evaluation.training.dataset
    channels, image_size, _ = model.engine.image_shape
    return ModelFacts(
        name=model.version.model,
        alias=alias,
        version=model.version.version,
        digest=model.record.onnx_sha256,
        registered=model.version.created,
        since=model.since,
        latent_dim=model.engine.latent_dim,
        channels=channels,
        image_size=image_size,
        max_count=max_count,
        max_values=max_values,
        metrics={
            name: MetricValue(mean=interval.mean, low=interval.low, high=interval.high)
            for name, interval in evaluation.challenger.metrics.items()
        },
        data_set=DataSetFacts(**{name: getattr(dataset, name) for name in DataSetFacts.model_fields}),
        lineage=Lineage(
            mlflow_run_id=training.mlflow_run_id,
            flow_run_id=training.flow_run_id,
            checkpoint_uri=training.checkpoint_uri,
            checkpoint_sha256=training.checkpoint_sha256,
            config_digest=training.config_digest,
            code_version=model.version.tags.get("code_version"),
            generator_steps=training.generator_steps,
        ),
        challenger=models.challenger.version.version if models.challenger else None,
        canary_percent=models.canary_percent,
    )
