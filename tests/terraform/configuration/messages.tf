resource "aws_cloudwatch_log_group" "all" {
  name              = "/aws/vendedlogs/states/${local.name}"
  retention_in_days = local.second ? 14 : 30
  tags              = local.tags
}

resource "aws_sns_topic" "all" {
  name         = "${local.name}-alarms"
  display_name = "alarms ${var.phase}"
  tags         = local.tags
}

resource "aws_sns_topic_policy" "all" {
  arn = aws_sns_topic.all.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TakeAlarms${title(var.phase)}"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.all.arn
    }]
  })
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn      = aws_sns_topic.all.arn
  protocol       = "lambda"
  endpoint       = aws_lambda_function.all.arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn })
  filter_policy  = jsonencode({ phase = [var.phase] })
}

resource "aws_sns_topic_subscription" "mail" {
  topic_arn      = aws_sns_topic.all.arn
  protocol       = "email"
  endpoint       = "on-call@example.com"
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn })
}

resource "aws_sqs_queue" "dead" {
  name                      = "${local.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "stream" {
  name                       = "${local.name}-stream"
  visibility_timeout_seconds = local.second ? 400 : 360
  sqs_managed_sse_enabled    = true
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 3 })
  tags                       = local.tags
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Take${title(var.phase)}"
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com", "sns.amazonaws.com", "s3.amazonaws.com"] }
      Action    = "sqs:SendMessage"
      Resource  = [aws_sqs_queue.dead.arn]
    }]
  })
}

resource "aws_cloudwatch_event_rule" "pattern" {
  name        = "${local.name}-landed"
  description = "A file has landed: ${var.phase}."
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail      = { bucket = { name = [aws_s3_bucket.all.bucket] }, object = { key = [{ prefix = "landing/" }] } }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_rule" "schedule" {
  name                = "${local.name}-hourly"
  schedule_expression = local.second ? "rate(2 hours)" : "rate(1 hour)"
  tags                = local.tags
}

resource "aws_cloudwatch_event_target" "function" {
  rule      = aws_cloudwatch_event_rule.pattern.name
  target_id = "record"
  arn       = aws_lambda_function.all.arn
  input_transformer {
    input_paths    = { key = "$.detail.object.key" }
    input_template = "{\"key\": <key>, \"phase\": \"${var.phase}\"}"
  }
  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }
}

resource "aws_cloudwatch_event_target" "machine" {
  rule      = aws_cloudwatch_event_rule.schedule.name
  target_id = "start"
  arn       = aws_sfn_state_machine.all.arn
  role_arn  = aws_iam_role.all["events"].arn
  input     = jsonencode({ phase = var.phase })
}

resource "aws_cloudwatch_metric_alarm" "all" {
  alarm_name          = "${local.name}-dead-letters"
  alarm_description   = "An event was given up on."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  threshold           = local.second ? 5 : 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.all.arn]
  ok_actions          = [aws_sns_topic.all.arn]
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "percentile" {
  alarm_name          = "${local.name}-slow"
  namespace           = "AWS/ApiGateway"
  metric_name         = "Latency"
  dimensions          = { ApiId = aws_apigatewayv2_api.all.id }
  extended_statistic  = "p95"
  period              = local.second ? 60 : 300
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  threshold           = 1000
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  tags                = local.tags
}

resource "aws_scheduler_schedule_group" "all" {
  name = "${local.name}-retraining"
  tags = local.tags
}

resource "aws_scheduler_schedule" "all" {
  name                         = "delays"
  group_name                   = aws_scheduler_schedule_group.all.name
  description                  = "Trains delays again: ${var.phase}."
  schedule_expression          = "cron(0 3 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_sfn_state_machine.all.arn
    role_arn = aws_iam_role.all["scheduler"].arn
    input    = jsonencode({ model = "delays", reason = var.phase })
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
    dead_letter_config {
      arn = aws_sqs_queue.dead.arn
    }
  }
}

resource "aws_cloudwatch_dashboard" "all" {
  dashboard_name = "${local.name}-models"
  dashboard_body = jsonencode({
    widgets = [{
      type = "metric", x = 0, y = 0, width = 12, height = 6
      properties = {
        region  = data.aws_region.here.name
        title   = "Messages, ${var.phase}"
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead.name]]
        period  = local.second ? 300 : 60
      }
    }]
  })
}
