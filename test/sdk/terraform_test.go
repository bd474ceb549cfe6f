package sdk

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// terraformProviders names a directory that mirrors Terraform's providers, as
// `terraform providers mirror` makes one.
const terraformProviders = "GIGAWATT_TERRAFORM_PROVIDERS"

// configuration is what Terraform makes, finds unchanged, and removes.
const configuration = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  skip_metadata_api_check = true
}

data "aws_caller_identity" "me" {}

resource "aws_sqs_queue" "dead" {
  name = "tf-dead"
}

resource "aws_sqs_queue" "jobs" {
  name                       = "tf-jobs"
  visibility_timeout_seconds = 45
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 3 })
  tags                       = { team = "tour" }
}

resource "aws_iam_user" "sender" {
  name = "tf-sender"
}

resource "aws_iam_user_policy" "send" {
  user   = aws_iam_user.sender.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.jobs.arn }] })
}

resource "aws_iam_role" "worker" {
  name               = "tf-worker"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
`

// TestTerraform applies a configuration, sees that a second plan changes
// nothing, and removes all of it. Terraform's AWS provider is not to be had
// from the registries that CI may use, so it runs where
// GIGAWATT_TERRAFORM_PROVIDERS names a mirror of it.
func TestTerraform(t *testing.T) {
	mirror := os.Getenv(terraformProviders)
	if mirror == "" {
		t.Skipf("the AWS provider comes from Terraform's own registry; set %s to a directory made by `terraform providers mirror`", terraformProviders)
	}
	if _, err := exec.LookPath("terraform"); errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		t.Skip("terraform is not installed")
	}
	p, dir := running(t), t.TempDir()
	files := map[string]string{
		"main.tf":      configuration,
		"terraform.rc": "provider_installation {\n  filesystem_mirror {\n    path = \"" + mirror + "\"\n  }\n}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-input=false"},
		{"apply", "-input=false", "-auto-approve"},
		{"plan", "-input=false", "-detailed-exitcode"}, // exits with 2 when something would change
		{"destroy", "-input=false", "-auto-approve"},
	} {
		c := exec.CommandContext(t.Context(), "terraform", append([]string{"-chdir=" + dir}, args...)...)
		c.Env = append(environment(p), "HOME="+dir, "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraform.rc"), "CHECKPOINT_DISABLE=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
		}
	}
}
