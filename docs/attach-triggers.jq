# Makes the input of cognito-idp update-user-pool out of what describe-user-pool says, with hotsync's two triggers added.
# update-user-pool sets everything that it is not given back to a default, so everything has to be given again.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
def taken($trigger): (.LambdaConfig[$trigger] // $function) != $function;
if taken("PostAuthentication") or taken("PostConfirmation") then
  error("the pool has another PostAuthentication or PostConfirmation function; let that one call \($function) instead, see docs/deploy.md")
else
  {UserPoolId: .Id, PoolName: .Name}
  + with_entries(select(.key | IN("Policies", "DeletionProtection", "AutoVerifiedAttributes", "SmsVerificationMessage",
      "EmailVerificationMessage", "EmailVerificationSubject", "VerificationMessageTemplate", "SmsAuthenticationMessage",
      "UserAttributeUpdateSettings", "MfaConfiguration", "DeviceConfiguration", "EmailConfiguration", "SmsConfiguration",
      "UserPoolTags", "UserPoolAddOns", "AccountRecoverySetting", "UserPoolTier")))
  + {LambdaConfig: ((.LambdaConfig // {}) + {PostAuthentication: $function, PostConfirmation: $function})}
  # The API refuses this member beside the password policy's TemporaryPasswordValidityDays.
  + (if .AdminCreateUserConfig then {AdminCreateUserConfig: (.AdminCreateUserConfig | del(.UnusedAccountValidityDays))} else {} end)
end
