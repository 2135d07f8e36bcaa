// Checks a template with AWS's own validator: node template.mjs FILE.
// Errors and warnings make it end with 1; advice (INFO) does not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegoEngine, TemplateFile } from '@aws/cloudformation-validate';

// What the validator takes for a fault and is none.
const exceptions = [
  // It puts the empty default of a parameter into the branch that is taken only when the parameter is not empty.
  (d) => d.ruleId === 'F3033' && /^Properties\.(Alarm|OK)Actions\b/.test(d.propertyPath) && d.conditionScenario?.HasAlarmTopic,
  (d) => d.ruleId === 'F3031' && d.propertyPath === 'Properties.KmsKeyId' && d.conditionScenario?.HasKey,
  (d) => d.ruleId === 'F3033' && d.propertyPath === 'Properties.Dimensions.0.Value' && d.conditionScenario?.MakesEventsTable === false,
  // It does not follow the condition of an Fn::If in an output: the branch is that of what there is.
  (d) => d.ruleId === 'W1001' && /^Outputs\/\w+\/Value\.Fn::If\.1$/.test(d.propertyPath),
  // Its use is in an event, which is taken without the condition below.
  (d) => d.ruleId === 'W8001' && d.entity.logicalId === 'Reconciles',
  // The parameters hold the ARN of a secret, which is none itself.
  (d) => d.ruleId === 'W2509' && /SecretId$/.test(d.propertyPath),
];

// Its form of SAM's transform gives up at an Fn::If in a schedule, and then checks nothing at all: it gets the branch
// that is taken where nobody asks for the schedule.
const template = readFileSync(process.argv[2], 'utf8').replace(/!If \[Reconciles, [^,]+, ([^\]]+)\]/g, '$1');
const dir = mkdtempSync(join(tmpdir(), 'hotsync-lint-'));
writeFileSync(join(dir, 'template.yaml'), template);
const engine = new RegoEngine();
const report = engine.validateStandard(new TemplateFile(join(dir, 'template.yaml')));
engine.free();
rmSync(dir, { recursive: true });
const findings = report.diagnostics.filter((d) => d.severity !== 'INFO' && !exceptions.some((is) => is(d)));
for (const d of findings) {
  console.error(`${process.argv[2]}:${d.startLine}: ${d.severity} ${d.ruleId} ${d.propertyPath}: ${d.message}`);
}
console.log(`cloudformation-validate: ${findings.length} errors and warnings`);
process.exitCode = findings.length > 0 ? 1 : 0;
