// Runs cdk-nag's AwsSolutions and Serverless packs over a CloudFormation template and holds what they find to
// reasons.json: a rule that is broken without a written reason fails, and so does a reason that nothing needs any more.
//
// nag.mjs TEMPLATE [REASONS ...]: files beside reasons.json that hold for this template too

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Aspects, Stack } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

const [template, ...more] = process.argv.slice(2);
if (!template) {
  console.error('nag.mjs TEMPLATE [REASONS ...]: name the CloudFormation template to check');
  process.exit(2);
}
const reasons = Object.assign({}, ...['reasons.json', ...more].map((file) => JSON.parse(readFileSync(new URL(file, import.meta.url)))));

const found = new Map(); // what breaks a rule, by rule
const unchecked = [];
const note = ({ ruleId, ruleInfo, resource }) => {
  if (!found.has(ruleId)) found.set(ruleId, { ruleInfo, at: new Set() });
  found.get(ruleId).at.add(resource.node.id);
};
const logger = {
  onCompliance() {},
  onNonCompliance: note,
  onSuppressed: note, // nothing is suppressed where it stands: the reasons are in one place
  onNotApplicable() {},
  onError: ({ ruleId, resource, errorMessage }) => unchecked.push(`${ruleId} of ${resource.node.id}: ${errorMessage}`),
  onSuppressedError: ({ ruleId, resource }) => unchecked.push(`${ruleId} of ${resource.node.id}`),
};

const outdir = mkdtempSync(join(tmpdir(), 'hotsync-nag-'));
const app = new App({ outdir });
const stack = new Stack(app, 'hotsync');
new CfnInclude(stack, 'Template', { templateFile: template });
for (const Pack of [AwsSolutionsChecks, ServerlessChecks]) {
  Aspects.of(stack).add(new Pack({ additionalLoggers: [logger], reports: false }));
}
app.synth();
rmSync(outdir, { recursive: true });

const complaints = unchecked.map((u) => `could not be checked: ${u}`);
for (const [rule, { ruleInfo, at }] of found) {
  if (!reasons[rule]) complaints.push(`${rule} ${ruleInfo} ${[...at].join(', ')}`);
}
for (const rule of Object.keys(reasons)) {
  if (!found.has(rule)) complaints.push(`${rule} is kept by everything now: take its reason out`);
}
if (complaints.length) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
console.log(`cdk-nag: every rule is kept or has a written reason (${found.size})`);
