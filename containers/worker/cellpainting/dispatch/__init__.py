"""From a plan to Batch jobs, once: what the dispatcher and the planning job share. Standard library and boto3."""
