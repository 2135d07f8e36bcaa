// Checks a template with AWS's own validator: node template.mjs FILE.
// Errors and warnings make it end with 1; advice (INFO) does not.
import { RegoEngine, TemplateFile } from '@aws/cloudformation-validate';

// What the validator takes for a fault and is none.
const exceptions = [
  // It puts the empty default of AlarmTopicArn into the branch that is taken only when the parameter is not empty.
  (d) => d.ruleId === 'F3033' && /^Properties\.(Alarm|OK)Actions\b/.test(d.propertyPath) && d.conditionScenario?.HasAlarmTopic,
  // The parameters hold the ARN of a secret, which is none itself.
  (d) => d.ruleId === 'W2509' && /SecretId$/.test(d.propertyPath),
];

const engine = new RegoEngine();
const report = engine.validateStandard(new TemplateFile(process.argv[2]));
engine.free();
const findings = report.diagnostics.filter((d) => d.severity !== 'INFO' && !exceptions.some((is) => is(d)));
for (const d of findings) {
  console.error(`${process.argv[2]}:${d.startLine}: ${d.severity} ${d.ruleId} ${d.propertyPath}: ${d.message}`);
}
console.log(`cloudformation-validate: ${findings.length} errors and warnings`);
process.exitCode = findings.length > 0 ? 1 : 0;
