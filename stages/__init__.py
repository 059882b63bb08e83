"""The four lifecycle stages: planning, data, training, deployment. Each step is one DVC stage and knows no Prefect."""
