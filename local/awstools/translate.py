"""Translates template.yaml as SAM's transform does in AWS, for moto, and prints the CloudFormation template as JSON.

translate.py TEMPLATE BUCKET [--as-deployed] [NAME=VALUE ...]: the functions' code is BUCKET/<folder>.zip; the last are
parameters. What moto 5.2 does otherwise than AWS is put right here, line by line, unless it is wanted as it is deployed.
"""

import json
import sys

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

# Types that moto's CloudFormation does not create, with what refers to their attributes.
LEFT_OUT = ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::CloudWatch::Dashboard", "AWS::Logs::MetricFilter")

path, bucket, *options = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    template = yaml_parse(f.read())
template["Globals"]["Function"].pop("CodeUri")
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        folder = resource.pop("Metadata")["Directory"].split("/")[1]
        resource["Properties"]["CodeUri"] = f"s3://{bucket}/{folder}.zip"

parameters = {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}
parameters["AWS::Region"] = "us-east-1"
parameters.update(option.split("=", 1) for option in options if not option.startswith("--"))
translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
out = translator.translate(template, parameter_values=parameters)

if "--as-deployed" not in options:
    out["Resources"] = {name: r for name, r in out["Resources"].items() if r["Type"] not in LEFT_OUT and name != "OwnPoolMayCallLogin"}
    out["Outputs"] = {name: o for name, o in out["Outputs"].items() if not name.startswith("UserPool")}
    for name, resource in out["Resources"].items():
        # AWS ends the made-up name of a FIFO queue in .fifo.
        if resource["Type"] == "AWS::SQS::Queue":
            resource["Properties"]["QueueName"] = {"Fn::Sub": "${AWS::StackName}-" + name + ".fifo"}
        # moto knows Retain and not RetainExceptOnCreate, which is the same once the stack stands.
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Retain"
json.dump(out, sys.stdout)
