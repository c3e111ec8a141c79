"""The whole cloud on this machine: the synthesized templates, deployed into one process.

moto's server gives S3, SQS, CloudFormation, IAM, logs and Batch's registry; what moto only registers is done here for
real: Lambda functions (function.py), their event sources (poller.py) and Batch jobs (scheduler.py). moto's private
models are reached into, so its version is pinned.
"""
