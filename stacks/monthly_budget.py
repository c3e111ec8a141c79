"""A budget for what the deployment costs in a month, told by AWS Budgets before it is spent."""

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from constants import COST_TAG, MonitoringSettings


class MonthlyBudget(Construct):
    """Tells a topic when so much of the month's budget is spent, and when all of it is expected to be.

    It counts what has the deployment's own tag, which therefore has to be activated in the account's billing settings.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: MonitoringSettings, topic: sns.Topic) -> None:
        super().__init__(scope, id_)
        key, value = COST_TAG
        self._topic = topic
        permission = topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("budgets.amazonaws.com")],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=settings.monthly_budget_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{key}${value}"]},
            ),
            notifications_with_subscribers=[
                self._notification("ACTUAL", settings.budget_told_at_percent),
                self._notification("FORECASTED", 100),
            ],
        )
        if permission.policy_dependable:  # AWS Budgets asks the topic when the budget is made
            budget.node.add_dependency(permission.policy_dependable)

    def _notification(self, kind: str, percent: int) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
        return budgets.CfnBudget.NotificationWithSubscribersProperty(
            notification=budgets.CfnBudget.NotificationProperty(
                notification_type=kind,
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
            ),
            subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=self._topic.topic_arn)],
        )
