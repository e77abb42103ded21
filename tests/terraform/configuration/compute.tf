resource "aws_iam_role" "all" {
  for_each           = data.aws_iam_policy_document.trust
  name               = "${local.name}-${each.key}"
  description        = "Does what ${each.key} does: ${var.phase}."
  assume_role_policy = each.value.json
  tags               = local.tags
}

resource "aws_iam_role_policy" "all" {
  for_each = aws_iam_role.all
  name     = "grants"
  role     = each.value.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "All${title(var.phase)}"
      Effect   = "Allow"
      Action   = ["dynamodb:*", "kinesis:*", "logs:*", "lambda:*", "s3:*", "sqs:*", "states:*"]
      Resource = "*"
    }]
  })
}

resource "aws_lambda_function" "all" {
  function_name                  = "${local.name}-answer"
  description                    = "Answers: ${var.phase}."
  runtime                        = "python3.11"
  architectures                  = ["x86_64"]
  handler                        = "handler.handler"
  s3_bucket                      = aws_s3_object.code.bucket
  s3_key                         = aws_s3_object.code.key
  role                           = aws_iam_role.all["lambda"].arn
  memory_size                    = local.second ? 512 : 256
  timeout                        = 30
  reserved_concurrent_executions = local.second ? 3 : 2
  ephemeral_storage {
    size = 512
  }
  environment {
    variables = { PHASE = var.phase }
  }
  tracing_config {
    mode = "Active"
  }
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.all.name
  }
  tags       = local.tags
  depends_on = [aws_iam_role_policy.all]
}

resource "aws_lambda_function_event_invoke_config" "all" {
  function_name          = aws_lambda_function.all.function_name
  maximum_retry_attempts = local.second ? 1 : 2
  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead.arn
    }
  }
}

resource "aws_lambda_permission" "all" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.all.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.second ? aws_cloudwatch_event_rule.schedule.arn : aws_cloudwatch_event_rule.pattern.arn
}

resource "aws_lambda_event_source_mapping" "all" {
  event_source_arn                   = aws_sqs_queue.stream.arn
  function_name                      = aws_lambda_function.all.arn
  batch_size                         = local.second ? 50 : 100
  maximum_batching_window_in_seconds = 5
  function_response_types            = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = 2
  }
  tags       = local.tags
  depends_on = [aws_iam_role_policy.all]
}

resource "aws_lambda_event_source_mapping" "table" {
  event_source_arn       = aws_dynamodb_table.all.stream_arn
  function_name          = aws_lambda_function.all.arn
  starting_position      = "LATEST"
  batch_size             = local.second ? 50 : 100
  maximum_retry_attempts = 3
  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["INSERT"] })
    }
  }
  depends_on = [aws_iam_role_policy.all]
}

resource "aws_lambda_invocation" "all" {
  function_name = aws_lambda_function.all.function_name
  input         = jsonencode({ tag = var.phase })
  triggers      = { tag = var.phase }
}

resource "aws_sfn_state_machine" "all" {
  name     = "${local.name}-training"
  type     = "STANDARD"
  role_arn = aws_iam_role.all["states"].arn
  definition = jsonencode({
    Comment       = var.phase
    QueryLanguage = "JSONata"
    StartAt       = "Done"
    States        = { Done = { Type = "Succeed" } }
  })
  logging_configuration {
    level                  = "ALL"
    include_execution_data = true
    log_destination        = "${aws_cloudwatch_log_group.all.arn}:*"
  }
  tracing_configuration {
    enabled = true
  }
  tags = local.tags
}

resource "aws_ecs_cluster" "all" {
  name = "${local.name}-training"
  setting {
    name  = "containerInsights"
    value = local.second ? "disabled" : "enabled"
  }
  tags = local.tags
}

resource "aws_ecs_task_definition" "all" {
  family                   = "${local.name}-training"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.second ? "2048" : "1024"
  memory                   = "4096"
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
  execution_role_arn = aws_iam_role.all["ecs-tasks"].arn
  task_role_arn      = aws_iam_role.all["ecs-tasks"].arn
  container_definitions = jsonencode([{
    name        = "training"
    image       = "${aws_ecr_repository.all.repository_url}:latest"
    essential   = true
    command     = ["python", "-m", "pipelines.train"]
    environment = [{ name = "BUCKET", value = aws_s3_bucket.all.bucket }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.all.name
        awslogs-region        = data.aws_region.here.name
        awslogs-stream-prefix = "training"
      }
    }
  }])
  tags = local.tags
}

resource "aws_codebuild_project" "all" {
  name         = "${local.name}-images"
  description  = "Builds the training container: ${var.phase}."
  service_role = aws_iam_role.all["codebuild"].arn
  source {
    type      = "S3"
    location  = "${aws_s3_bucket.all.bucket}/images/context.zip"
    buildspec = "version: 0.2\n"
  }
  artifacts {
    type = "NO_ARTIFACTS"
  }
  environment {
    type            = "LINUX_CONTAINER"
    image           = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    compute_type    = "BUILD_GENERAL1_SMALL"
    privileged_mode = true
    environment_variable {
      name  = "REPOSITORY_URI"
      value = aws_ecr_repository.all.repository_url
    }
  }
  logs_config {
    cloudwatch_logs {
      status     = "ENABLED"
      group_name = aws_cloudwatch_log_group.all.name
    }
  }
  build_timeout  = 30
  queued_timeout = 30
  tags           = local.tags
}

resource "aws_emrserverless_application" "all" {
  name          = "${local.name}-spark"
  type          = "SPARK"
  release_label = "emr-7.5.0"
  architecture  = "X86_64"
  maximum_capacity {
    cpu    = local.second ? "32 vCPU" : "16 vCPU"
    memory = "80 GB"
  }
  auto_start_configuration {
    enabled = true
  }
  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 1
  }
  tags = local.tags
}
