# The course in a container: docker build -t denoising . && docker run -it -p 8888:8888 denoising
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 student && install -d -o student /home/student/course
USER 1000
WORKDIR /home/student/course
COPY --chown=student requirements.txt .
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir -r requirements.txt
COPY --chown=student . .
RUN .venv/bin/pip install --no-cache-dir --no-deps -e .

EXPOSE 8888
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks"]
