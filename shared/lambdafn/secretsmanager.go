package lambdafn

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// SecretsManager returns AWS Secrets Manager.
func SecretsManager(cfg aws.Config) SecretManager {
	return manager{secretsmanager.NewFromConfig(cfg)}
}

type manager struct{ client *secretsmanager.Client }

// SecretString reads the version staged AWSCURRENT.
func (m manager) SecretString(ctx context.Context, id string) (string, error) {
	out, err := m.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}
