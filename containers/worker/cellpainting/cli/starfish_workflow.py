"""`cpb starfish-workflow`: a starfish experiment to the queue, with the published options of `starfish-workflow.py`."""

import json
import os

import click

from cellpainting.cli.bucket import BUCKET
from cellpainting.cli.submit import QUEUE_URL
from cellpainting.jobs import parse_message
from cellpainting.preflight.messages import Message, send
from cellpainting.storage import Storage


@click.command()
@click.option("--experiment-url", required=True, metavar="URL", help="experiment.json: a key, or s3://bucket/key")
@click.option("--num-fovs", type=click.IntRange(min=1), help="how many fields of view it has; no other is accepted")
@click.option("--recipe-location", required=True, metavar="URL", help="the recipe, a Python file in the bucket")
@click.option("--results-bucket", required=True, metavar="URL", help="where results go, a prefix in the bucket")
@click.option("--job-queue", metavar="NAME", help="a job queue that the deployment lists  [default: its first]")
@click.option("--queue-url", metavar="U", help=f"the queue to send to  [default: the one in {QUEUE_URL}]")
@BUCKET
def starfish_workflow(
    experiment_url: str,
    num_fovs: int | None,
    recipe_location: str,
    results_bucket: str,
    job_queue: str | None,
    queue_url: str | None,
    bucket: Storage,
) -> int:
    """Send a request that decodes each field of view of an experiment and merges them. Prints the run id.

    Places in the bucket may be keys, or s3://bucket/key.

    Example: cpb starfish-workflow --experiment-url s3://my-bucket/iss/experiment.json --num-fovs 2
    --recipe-location s3://my-bucket/iss/recipe.py --results-bucket s3://my-bucket/iss/results/
    """
    queue = queue_url or os.environ.get(QUEUE_URL)
    if not queue:
        raise click.UsageError(f"which queue? Give --queue-url, or set {QUEUE_URL}")
    places = {"experiment_url": experiment_url, "recipe": recipe_location, "results": results_bucket}
    request = {
        "job_type": "process_fovs",
        **{field: place.removeprefix(bucket.uri("")) for field, place in places.items()},
        "num_fovs": num_fovs,
        "job_queue": job_queue,
    }
    body = json.dumps({field: value for field, value in request.items() if value is not None})
    (record,) = parse_message(body)
    for message in send([Message(body, (record.run_id,))], queue):
        click.echo(message.run_ids[0])
    return 0
